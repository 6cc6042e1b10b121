"""The functional simulator: what a program does to scratchpad and DRAM, bit by bit, without time."""

from lithify.sim.functional.execute import Trace, run_segment
from lithify.sim.functional.order import check_order

__all__ = ["Trace", "check_order", "run_segment"]
