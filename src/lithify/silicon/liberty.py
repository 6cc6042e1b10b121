"""What is read from liberty files: areas, and the access times of memory macros. Yosys and OpenSTA read all else."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lithify.errors import LithifyError


@dataclass(frozen=True)
class MacroFacts:
    """area: square micrometres. access: seconds from the clock's edge to the data, steep edge and light load; of some
    macros that is the falling edge, which comes half a period later.
    """

    area: float
    access: float


_NUMBER = r"([0-9.]+)"
_LINES = re.MULTILINE | re.DOTALL
_AREA = re.compile(rf"^\s*area\s*:\s*{_NUMBER}", re.MULTILINE)
_ACCESS = re.compile(
    rf'timing_type\s*:\s*"?(?:rising|falling)_edge"?.*?cell_rise.*?values\s*\(\s*"{_NUMBER}', re.DOTALL
)


@cache
def cell_area(library: Path, cell: str) -> float:
    """Square micrometres of a standard cell."""
    text = _text(library)
    found = re.search(rf'\bcell\s*\(\s*"?{re.escape(cell)}"?\s*\)\s*\{{.*?^\s*area\s*:\s*{_NUMBER}', text, _LINES)
    if found is None:
        raise LithifyError(f"The liberty file '{library.name}' has no cell '{cell}' with an area.")
    return float(found[1])


@cache
def macro_facts(library: Path) -> MacroFacts:
    """Area and access time of the one macro in a liberty file with times in nanoseconds, as memory compilers write."""
    text = _text(library)
    area, access = _AREA.search(text), _ACCESS.search(text)
    if area is None or access is None:
        raise LithifyError(f"The liberty file '{library.name}' states no {'area' if area is None else 'access time'}.")
    return MacroFacts(float(area[1]), float(access[1]) * 1e-9)


def _text(library: Path) -> str:
    if not library.is_file():
        raise LithifyError(f"The kit has no file '{library}': name the folder of a whole kit.")
    return library.read_text(encoding="utf-8", errors="replace")
