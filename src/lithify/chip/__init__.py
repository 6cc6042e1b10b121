"""What a chip is: its description, the presets and what follows from them. Imports nothing else of Lithify."""

from lithify.chip.description import Chip, load_chip, parse_chip, preset_names, write_chip

__all__ = ["Chip", "load_chip", "parse_chip", "preset_names", "write_chip"]
