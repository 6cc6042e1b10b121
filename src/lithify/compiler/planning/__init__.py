"""From operations to a plan: in which order they go, which images stay on the chip, and how each operation is cut."""
