"""A network between processor and chip: the best cut, and whether frames are answered in time."""
