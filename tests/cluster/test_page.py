"""What docs/clusters.md says of linked chips is what the simulators, which are the RTL's equals, count today."""

from pathlib import Path

import pytest

import lithify
from cluster.linking import QUIET, images, quantized
from cluster.test_sharded import shared_out
from lithify.chip import load_chip
from lithify.cluster.linked.pair import pipelined
from lithify.cluster.linked.run import run_in_simulators
from lithify.cluster.linked.sharded import sharded
from lithify.cluster.stages import Stages
from lithify.isa.peer import Wires

PAGE = Path(__file__).parents[2] / "docs" / "clusters.md"


@pytest.mark.slow
def test_the_figures_of_linked_chips() -> None:
    model = quantized("digits_resnet8")
    one = lithify.compile(model, "tiny").simulate().cycles
    stages = Stages(model)
    (cut,) = (entry for entry in stages.cuts if entry.position == 12)
    staged = pipelined([lithify.compile(stage, "tiny") for stage in stages.models([cut])], images(3))
    shared = sharded(shared_out(model), load_chip("tiny"), images(1))
    figures = [
        [run_in_simulators(work, wires, [0, 0]).cycles for wires in (QUIET, Wires(seed=5, rate=rate))]
        for work, rate in ((staged, 0.002), (shared, 0.003))
    ]
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    (quiet, damaged), (alike, with_errors) = figures
    assert (
        f"take {quiet:,} cycles, with one word in 500 damaged {damaged:,}; one chip takes {3 * one:,} for the three"
        in text
    )
    assert (
        f"takes {alike:,} cycles on two `tiny` chips, with one word in 333 damaged {with_errors:,}, and {one:,} on one"
        in text
    )
