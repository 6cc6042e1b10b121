"""The timing simulator: the cycle of every instruction's retirement, without the RTL and without data."""

from lithify.sim.timing.machine import ComputeModel, Timing, simulate

__all__ = ["ComputeModel", "Timing", "simulate"]
