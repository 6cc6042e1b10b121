"""Runs a saved program without the compiler: memory layout, devices, host segments, results."""

from lithify.runtime.device import Device, DeviceResult, FunctionalDevice
from lithify.runtime.execute import Outcome, SegmentOutcome, run, run_program_file

__all__ = ["Device", "DeviceResult", "FunctionalDevice", "Outcome", "SegmentOutcome", "run", "run_program_file"]
