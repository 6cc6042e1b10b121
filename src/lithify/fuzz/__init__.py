"""Random graphs on random chips, and damaged files: what a change of the compiler, a simulator or the RTL is tried on.

found = lithify.fuzz(200, seed=7)
assert not found.graphs.failures
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lithify.fuzz.files import Files
    from lithify.fuzz.graphs import Graphs
    from lithify.progress import Progress


@dataclass(frozen=True)
class Fuzzing:
    """What two campaigns found."""

    graphs: "Graphs"
    files: "Files"

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not self.graphs.failures and not self.files.findings

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def fuzz(
    count: int = 200,
    seed: int = 0,
    *,
    rtl: int = 0,
    chips: int = 0,
    files: int = 0,
    folder: str | Path | None = None,
    progress: "Progress | None" = None,
) -> Fuzzing:
    """Runs `count` random graphs, each on a random chip, through every view, and tries `files` damaged files.

    A graph has 2 to 12 nodes, branches, odd and prime sizes and large strides. It is optimised, quantised, compiled;
    then reference, functional simulator and, for the first `rtl` graphs, RTL must agree on every tensor, timing
    simulator and RTL on every retirement, and the order checker must find every conflict ordered. A chip may refuse a
    graph only because it is too small for one tile. A damaged file (ONNX model, program, chip description) must be
    taken, or refused with one sentence and nothing half written.
    chips: in RTL, how many random chips take turns with the preset `tiny`; each takes a minute to build.
    folder: where failures go, each as the smallest ONNX model that fails, with its chip; findings as the file itself.
    """
    from lithify.fuzz.files import fuzz_files
    from lithify.fuzz.graphs import fuzz_graphs

    place = Path(folder) if folder is not None else None
    return Fuzzing(fuzz_graphs(count, seed, rtl, chips, place, progress), fuzz_files(files, seed, place, progress))
