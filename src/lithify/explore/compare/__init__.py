"""What a network gains: chips beside processors and published accelerators."""
