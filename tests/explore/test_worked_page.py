"""docs/from-question-to-chip.md: what its outputs say of chips is near what is found of them today."""

import re
from pathlib import Path

import pytest

from lithify.chip import Chip, load_chip
from lithify.explore.model import named_model
from lithify.explore.search.evaluate import evaluate
from lithify.explore.search.explored import memory, shape
from lithify.explore.search.workload import Workload, source

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "from-question-to-chip.md").read_text(encoding="utf-8")
EXAMPLES = ROOT / "examples"
NEAR = 0.05
"""By how much figures may have moved since the page's commands were run."""
STALE = "docs/from-question-to-chip.md is stale: run its commands again"

ROW = re.compile(
    r"^ *(?P<number>\d+)(?P<chosen> \*)? +(?P<mm2>[\d.]+) mm2 +[\d.]+ us +[\d.,]+ +(?P<uj>[\d.]+) uJ +[\d.]+ mW +"
    r"(?P<array>(?P<rows>\d+) x (?P<columns>\d+), (?P<accumulators>\d+) acc\., (?P<lanes>\d+) lanes) +"
    r"(?P<memory>(?P<scratchpad_banks>\d+) x (?P<kb>[\d.]+) KB, (?P<activation_ports>\d)\+(?P<weight_ports>\d) ports, "
    r"bus (?P<bus_bytes>\d+), queue (?P<queue_depth>\d+))",
    re.MULTILINE,
)


def described(row: re.Match[str]) -> Chip:
    """The chip of a row of the front."""
    keys = ("rows", "columns", "accumulators", "lanes", "scratchpad_banks", "bus_bytes", "queue_depth",
            "activation_ports", "weight_ports")  # fmt: skip
    numbers = {name: int(row[name]) for name in keys}
    return Chip.model_validate(
        load_chip("tiny").model_dump(by_alias=True)
        | numbers
        | {"scratchpad_bytes": round(1024 * float(row["kb"])) * numbers["scratchpad_banks"],
           "dram_bytes_per_cycle": min(numbers["bus_bytes"], 5), "units": ("max_pool",)}
    )  # fmt: skip


@pytest.fixture(scope="module")
def network() -> Workload:
    """As the page's search reads it."""
    name, model = named_model(EXAMPLES / "digits_cnn.onnx")
    return source(name, model, EXAMPLES / "digits.npz").workload


def test_the_front_and_the_chosen_chip(network: Workload) -> None:
    rows = list(ROW.finditer(PAGE))
    assert len(rows) > 5 and [bool(row["chosen"]) for row in rows].count(True) == 1, STALE
    for row in [row for row in rows if row["chosen"]] + rows[:2]:
        point = evaluate(int(row["number"]), {}, described(row), [network], {})
        assert f"{row['array']} {row['memory']}" == f"{shape(point)} {memory(point)}"
        assert point.mm2 == pytest.approx(float(row["mm2"]), rel=NEAR), STALE
        assert 1e6 * point.joules == pytest.approx(float(row["uj"]), rel=NEAR), STALE
        if row["chosen"]:
            (said,) = set(re.findall(r"digits_cnn in RTL +([\d,]+) cycles", PAGE))
            assert point.runs[0].cycles == pytest.approx(int(said.replace(",", "")), rel=NEAR), STALE
            assert f"digits_cnn: {said} cycles" in PAGE
