"""A chip as its user holds it: a name, a description, and what can be made for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lithify.chip import Chip, load_chip

if TYPE_CHECKING:
    from lithify.fpga import Fpga
    from lithify.program import Program
    from lithify.quantize.data import Source
    from lithify.silicon.asic import SynthesisReport


@dataclass(frozen=True)
class Target:
    """A chip. description: its numbers."""

    description: Chip

    @property
    def name(self) -> str:
        """The chip's name."""
        return self.description.name

    def create_executable(
        self,
        model: Any,
        calibration: "Source | None" = None,
        *,
        shape: Mapping[str, Sequence[int]] | None = None,
        inputs: Any = None,
        strict: bool = False,
    ) -> "Program":
        """The program of a model for this chip: loaded, optimised, quantised and compiled.

        model, shape, inputs: as `lithify.load` takes them. calibration: samples, as `lithify.quantize` takes them; a
        model that is quantised keeps its bits. strict: as `lithify.compile`.
        Raises LithifyError as those do.
        """
        from lithify import flow

        loaded = flow.load(model, shape, inputs=inputs)
        return flow.compile(flow.quantize(flow.optimize(loaded), calibration), self.description, strict=strict)

    def verilog(self, output: str | Path | None = None) -> dict[str, str]:
        """The chip's Verilog, as `lithify.rtl` gives it."""
        from lithify import flow

        return flow.rtl(self.description, output)

    def create_bitstream(self, board: str, output: str | Path | None = None, **options: Any) -> "Fpga":
        """The chip on a board, as `lithify.fpga` makes it; `options` are its own."""
        from lithify.fpga import fpga

        return fpga(board, self.description, output, **options)

    def synthesize(self, pdk: str | Path | None = None, output: str | Path | None = None) -> "SynthesisReport":
        """The chip in gates, square millimetres and megahertz, as `lithify.synthesize` gives it."""
        from lithify import flow

        return flow.synthesize(self.description, pdk, output)


def chip(source: str | Path | Chip = "edge") -> Target:
    """A chip by a preset's name, a description (.toml), or a `Chip`.

    Raises LithifyError for an unknown name and a description that is not valid.
    """
    return Target(load_chip(source))
