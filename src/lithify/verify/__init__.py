"""The proof: reference, functional simulator and RTL agree on every bit, timing simulator and RTL on every cycle.

For each input the quantised graph is run by the definitions (`reference`), the program by the functional simulator and
by the chip's Verilog. Every word that post-processing writes is recorded (docs/architecture.md, section 7). The
functional words, put together as tensors, must equal the reference's; the RTL's words must equal the functional ones,
filling bytes and addresses included; the RTL's cycle counter and every retirement must equal the timing simulator's.
"""

from lithify.verify.compare import Verification, verify
from lithify.verify.difference import Difference
from lithify.verify.samples import verify_samples

__all__ = ["Difference", "Verification", "verify", "verify_samples"]
