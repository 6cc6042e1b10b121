"""From steps to instructions: their fields, what they load, their order in the program, and their tokens."""
