"""Two chips and their link: the bits of one chip, and RTL and simulators in the same cycle in everything, with errors
on the link and without.
"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

import lithify
from cluster.linking import QUIET, images, in_both, of_one_chip, quantized
from lithify.cluster.linked import run_in_rtl, run_in_simulators
from lithify.cluster.linked.node import Node, same_place
from lithify.cluster.linked.pair import pipelined
from lithify.cluster.stages import Stages
from lithify.errors import LithifyError
from lithify.isa.peer import BY_NAME, CAUSES, ORDERS_OFFSET, PEER_ID, Opcode, Wires, order
from lithify.isa.program import Base, Placement
from lithify.isa.registers import BY_NAME as CHIP
from lithify.isa.registers import DEVICE_ID
from lithify.rtl.simulation.nodes import Nodes
from lithify.rtl.simulation.orders import carry_out


def stages(model: ir.Model, position: int) -> list[Any]:
    """The programs of two stages, the second from a place between two nodes on."""
    cutter = Stages(model)
    (cut,) = [cut for cut in cutter.cuts if cut.position == position]
    return [lithify.compile(stage, "tiny") for stage in cutter.models([cut])]


@pytest.fixture(scope="module")
def mobilenet() -> ir.Model:
    return quantized("digits_mobilenet")


@pytest.fixture(scope="module")
def programs(mobilenet: ir.Model) -> list[Any]:
    return stages(mobilenet, 7)


def test_a_pipeline_in_the_simulators(mobilenet: ir.Model, programs: list[Any]) -> None:
    """Four requests, of which two are under way at once: faster than one chip, and not twice as fast."""
    requests = images(4)
    work = pipelined(programs, requests)
    history = run_in_simulators(work, QUIET, [0, 3])
    one = of_one_chip(mobilenet, work, history, requests)
    assert 4 * one / 2 < history.cycles < 4 * one
    # Of the orders of the first node all but two requests' await a token; the second has a message of each.
    assert [node.counters["MESSAGES"] for node in history.nodes] == [2, 4]


def test_what_cannot_be_linked_is_refused(programs: list[Any]) -> None:
    with pytest.raises(LithifyError, match="Two linked nodes take two stages; 1 were given"):
        pipelined(programs[:1], images(1))
    with pytest.raises(LithifyError, match="Between the stages the host would have to run"):
        pipelined(list(reversed(programs)), images(1))
    with pytest.raises(LithifyError, match="A node holds 512 orders, and this takes"):
        pipelined(programs, images(2) * 60)
    place = Placement("x", Base.INPUTS, 0, 4, 4, 8, 8)
    assert same_place(place, place) == 128
    bordered = Placement("x", Base.INPUTS, 0, 4, 4, 8, 8, left=1)
    with pytest.raises(LithifyError, match="'x' goes from chip to chip, and lies there with borders"):
        same_place(place, bordered)
    with pytest.raises(LithifyError, match="words of 16 bytes; 24 bytes from 0x10 to 0x20 are none"):
        Node().send(16, 32, 24)


@pytest.mark.slow
def test_a_pipeline_in_rtl(mobilenet: ir.Model, programs: list[Any], library: Path) -> None:
    requests = images(3)
    work = pipelined(programs, requests)
    hard, _ = in_both(work, QUIET, library)
    of_one_chip(mobilenet, work, hard, requests)
    assert hard.damaged == 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_a_pipeline_in_rtl_with_errors(mobilenet: ir.Model, programs: list[Any], library: Path, seed: int) -> None:
    requests = images(3)
    work = pipelined(programs, requests)
    hard, _ = in_both(work, Wires(seed=seed, rate=0.01), library)
    of_one_chip(mobilenet, work, hard, requests)
    assert hard.damaged > 0 and hard.nodes[0].counters["FRAMES_AGAIN"] > 0


@pytest.mark.slow
def test_a_cut_inside_a_residual_block_in_rtl(library: Path) -> None:
    """Two tensors cross, 24 KB for a request, with errors."""
    model, requests = quantized("digits_resnet8"), images(2)
    work = pipelined(stages(model, 9), requests)
    hard, _ = in_both(work, Wires(latency=40, seed=1, rate=0.002), library)
    assert hard.nodes[1].counters["MESSAGES"] == 4 and hard.damaged > 0
    of_one_chip(model, work, hard, requests)


@pytest.mark.slow
def test_a_link_that_is_cut_is_reported(programs: list[Any], library: Path) -> None:
    work = pipelined(programs, images(1))
    for run in (partial(run_in_rtl, library=library), partial(run_in_simulators, starts=[0, 0])):
        with pytest.raises(LithifyError, match="Node 0 ended its orders early: the link is dead"):
            run(work, Wires(cut=0))


@pytest.mark.slow
def test_a_chip_that_reports_an_error_ends_the_orders(library: Path) -> None:
    """An opcode that is unknown, on the first node; the other has nothing to do. Then the host reaches the chip."""
    failing = [
        order(Opcode.SET, offset=CHIP["PROGRAM_BYTES"].offset, value=128),
        order(Opcode.SET, offset=CHIP["INTERRUPT_ENABLE"].offset, value=1),
        order(Opcode.RUN),
        order(Opcode.SEND),
        order(Opcode.STOP),
    ]
    drams = [np.full(8192, 0xFF, np.uint8) for _ in range(2)]
    with Nodes(library, drams, QUIET, bytes_per_cycle=4) as nodes:
        done, idle = carry_out(nodes, [failing, [order(Opcode.STOP)]])
        assert CAUSES[done.causes[0]] == "the chip reported an error" and len(done.causes) == 1
        assert done.counters["FRAMES_SENT"] == 0 and idle.causes == ()
        assert nodes.read(0, CHIP["ID"].offset) == DEVICE_ID and nodes.read(0, CHIP["ERROR"].offset) == 2
        assert nodes.read(0, BY_NAME["LINK_ID"].offset) == PEER_ID


@pytest.mark.slow
def test_the_chip_is_the_orders_alone_while_they_are_carried_out(library: Path) -> None:
    drams = [np.zeros(8192, np.uint8) for _ in range(2)]
    with Nodes(library, drams, QUIET, bytes_per_cycle=4) as nodes:
        nodes.write(0, CHIP["SKIP"].offset, 2)
        carried = order(Opcode.AWAIT, messages=1)
        for word in range(4):
            value = int.from_bytes(carried.encoded()[4 * word : 4 * word + 4], "little")
            nodes.write(0, ORDERS_OFFSET + 4 * word, value)
        nodes.write(0, BY_NAME["LINK_CONTROL"].offset, 1)
        assert nodes.read(0, BY_NAME["LINK_STATUS"].offset) == 1
        for offset in (CHIP["SKIP"].offset, ORDERS_OFFSET):
            with pytest.raises(LithifyError, match=f"did not accept a write of register {offset:#x}"):
                nodes.write(0, offset, 1)
        with pytest.raises(LithifyError, match="did not answer a read of register 0x2c"):
            nodes.read(0, CHIP["SKIP"].offset)
        assert nodes.read(1, CHIP["SKIP"].offset) == 0
