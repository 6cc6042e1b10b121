"""Which chip for a network, and what it would gain: chips beside processors and beside what others have published."""
