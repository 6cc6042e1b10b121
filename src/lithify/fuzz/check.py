"""One model on one chip through every view: all must agree, and nothing may fail."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import onnx_ir as ir

from lithify.chip import Chip
from lithify.compiler.compile import compile_with_reasons
from lithify.errors import LithifyError
from lithify.isa.sequence import chip_segments, segment_instructions
from lithify.optimize import optimize
from lithify.quantize import inputs_of, quantize, read, seeded
from lithify.sim.functional.order import check_order
from lithify.verify.compare import verify

if TYPE_CHECKING:
    from lithify.runtime.chip import RtlDevice

SAMPLES = 2
TOO_SMALL = "is too small for one tile"
"""What a chip may rightly be refused for."""


@dataclass(frozen=True)
class Outcome:
    """What became of a model. kind: "agreed", "refused" (the chip is too small), or of what kind the failure is.

    text: of a failure, what differs or was raised. host: whether some of it ran on the host. values: compared. rtl:
    whether it ran in RTL.
    """

    kind: str
    text: str = ""
    host: bool = False
    values: int = 0
    rtl: bool = False

    @property
    def failed(self) -> bool:
        """Whether this is a bug."""
        return self.kind not in ("agreed", "refused")


def check(model: ir.Model, chip: Chip, seed: int = 0, device: "RtlDevice | None" = None) -> Outcome:
    """Optimises, quantises and compiles a float model, and compares every view of the program on random inputs.

    device: the chip's RTL, if that is to run too. Reference, functional simulator and RTL are compared on every tensor,
    the timing simulator and the RTL on every retirement; tokens and `serial` flags by the order checker.
    """
    try:
        quantized = quantize(optimize(model), seeded(inputs_of(model), SAMPLES, seed=seed))
        graph = read(quantized)
        try:
            compiled = compile_with_reasons(graph, chip)
        except LithifyError as error:
            if TOO_SMALL in str(error):
                return Outcome("refused", str(error))
            raise
        for segment in chip_segments(compiled.program):
            check_order(chip, segment_instructions(compiled.program, segment))
        samples = seeded(inputs_of(model), SAMPLES, seed=seed + 1)
        found = verify(compiled.program, graph, samples, rtl="none" if device is None else "layers", device=device)
    except Exception as error:
        return Outcome(type(error).__name__, " ".join(str(error).split()))
    summary = found.summary
    if not found.agreed:
        text = summary.first_difference or summary.first_retirement or "views disagree"
        return Outcome("difference", text)
    return Outcome("agreed", "", bool(compiled.reasons), summary.values_compared, device is not None)
