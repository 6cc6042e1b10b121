"""The conditions of a batch: what of the register SKIP a launch sets that has fewer samples than the program."""

from lithify.isa.operations import BY_NAME

CONDITIONS = (1 << next(field.bits for field in BY_NAME["END"].fields if field.name == "when")) - 1


def condition_of(sample: int, size: int) -> int:
    """The field `when` of what serves a sample, of `size`, and those behind it: samples share one where there are more
    than conditions. Sample 0 is always there.
    """
    together = -(-(size - 1) // CONDITIONS)
    return -(-sample // together) if sample else 0


def skip_of(samples: int, size: int) -> int:
    """The register SKIP of a launch with so many of `size` samples."""
    kept = max((condition_of(sample, size) for sample in range(samples)), default=0)
    return sum(1 << number for number in range(kept + 1, condition_of(size - 1, size) + 1))
