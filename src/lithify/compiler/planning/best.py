"""The best plan: the cheapest walk whose images find room; where there is none, each operation in blocks."""

from collections.abc import Mapping
from dataclasses import replace

from lithify.chip import Chip
from lithify.compiler.image import Image
from lithify.compiler.operation import Operation
from lithify.compiler.planning.by_blocks import plan_by_blocks
from lithify.compiler.planning.estimates import Estimates
from lithify.compiler.planning.place import Fragmented, Places
from lithify.compiler.planning.plan import Plan, Single
from lithify.compiler.planning.walk import Walk


def best_plan(
    operations: tuple[Operation, ...],
    images: Mapping[str, Image],
    sources: frozenset[str],
    wanted: frozenset[str],
    views: Mapping[str, str],
    chip: Chip,
) -> Plan:
    """The plan that is estimated fastest.

    sources: images that lie in DRAM before the segment; wanted: those that must lie there after it.
    views: images that are others' in DRAM, read with other strides -> those others.
    Raises LithifyError if the chip is too small for one tile of a layer.
    """
    estimates = Estimates(operations, images, chip)
    walk = Walk(estimates, wanted, views)
    places = Places(estimates, walk.last)
    while True:
        legs = walk.cheapest()
        if legs is None and any(operation.beside for operation in operations):
            together = tuple(replace(operation, beside=None) for operation in operations)
            return replace(best_plan(together, images, sources, wanted, views, chip), apart=False)
        if legs is None:
            old = plan_by_blocks(operations, images, sources, wanted, chip)
            return Plan(old.homes, tuple(Single(i, blocks) for i, blocks in enumerate(old.blocks)), old.cycles)
        try:
            return places.place(legs)
        except Fragmented as problem:
            if problem.name in walk.banned:
                walk.banned.update(images)
            walk.banned.add(problem.name)
