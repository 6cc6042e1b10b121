"""The link between chips: its Verilog and its model put the same words on the wires in the same cycles, and what is
sent arrives once, whole and in order, whatever the wires do.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from lithify.errors import LithifyError
from lithify.isa.peer import BY_NAME, WORD_BYTES, Opcode, Order, Wires, order
from lithify.rtl.simulation.nodes import Nodes, build_nodes
from lithify.rtl.simulation.orders import carry_out
from lithify.sim.timing.peer.nodes import NodeRun, NodeTask, simulate_nodes

SIZE = 1 << 17
FROM, TO = 0x230, 0x10450
STOP, TOKEN = order(Opcode.STOP), order(Opcode.SEND)


def send(words: int, source: int = FROM, target: int = TO) -> Order:
    return order(Opcode.SEND, words=words, source=source, target=target)


def wait(messages: int, patience: int = 0) -> Order:
    return order(Opcode.AWAIT, messages=messages, patience=patience)


BOTH_WAYS = [[send(700), TOKEN, wait(2), STOP]] * 2
"""Both send 11,200 bytes and a token at once: each half of the link has all to do."""

Memories = list[np.ndarray]


def memories(seed: int) -> Memories:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, SIZE, np.uint8) for _ in range(2)]


def modelled(orders: Sequence[Sequence[Order]], wires: Wires, seed: int = 0, **registers: int) -> tuple:
    """What the model makes of orders that both nodes start in cycle 0: the nodes' runs, DRAM before and after."""
    before = memories(seed)
    after = [dram.copy() for dram in before]
    tasks = [NodeTask(dram, entries, 0, **registers) for dram, entries in zip(after, orders, strict=True)]
    return simulate_nodes(tasks, wires, limit=400_000), before, after


def arrived(before: Memories, after: Memories, words: int = 700) -> None:
    """Each node has the other's words where they were sent, and everything else is as it was."""
    for node in (0, 1):
        expected = before[node].copy()
        expected[TO : TO + WORD_BYTES * words] = before[1 - node][FROM : FROM + WORD_BYTES * words]
        assert np.array_equal(after[node], expected)


def test_frames_end_where_bursts_do() -> None:
    """100 words from word 0x23 to word 0x45 of their 64s: frames of 29, 30, 34 and 7 words, cut at 0x40 of either."""
    (run, _), before, after = modelled([[send(100), STOP], [wait(1), STOP]], Wires())
    heads = [data for _, (kind, data) in run.words if kind == 1]
    assert [head[0] for head in heads] == [29, 30, 34, 7]
    assert [head[1] for head in heads] == [0, 1, 2, 3] and [head[2] for head in heads] == [0, 0, 0, 1]
    assert np.array_equal(after[1][TO : TO + 1600], before[0][FROM : FROM + 1600])


def test_cycles_by_hand() -> None:
    """A word, latencies of 100. The send is looked at in cycle 2, read by the sender in 3 and cut into a frame in 4;
    its burst is asked for in 5, its word there in 105; head, word and tail are on the wire from 107 on and there from
    207 on; the tail is looked at in 210. The answer is on the wire in 212, and the sender done with it in 314. In 212
    the burst to memory is asked for, in 312 the word is written, in 313 answered, in 314 counted: the next answer, of
    room, is on the wire in 316; what was awaited is seen in 315, and the stop two cycles later.
    """
    (first, second), _, _ = modelled([[send(1), STOP], [wait(1), STOP]], Wires(latency=100))
    assert [(cycle, word[0]) for cycle, word in first.words] == [(107, 1), (108, 2), (109, 3)]
    assert [cycle for cycle, _ in second.words] == [212, 316]
    assert second.elapsed == 317 and first.elapsed == 314


@pytest.mark.parametrize("seed", range(4))
def test_everything_arrives_once(seed: int) -> None:
    """One word in 50 is damaged, in both directions, heads, answers and tokens too."""
    wires = Wires(latency=20, seed=seed, rate=0.02)
    runs, before, after = modelled(BOTH_WAYS, wires, seed, tries=100)
    arrived(before, after)
    for run in runs:
        assert run.causes == () and run.counters["MESSAGES"] == 2
        assert run.counters["FRAMES_AGAIN"] > 0 and run.counters["CHECK_ERRORS"] > 0
        assert run.counters["FRAMES_TAKEN"] == runs[0].counters["FRAMES_SENT"] - runs[0].counters["FRAMES_AGAIN"]


def test_a_dead_link_is_reported() -> None:
    """The sender gives up after 8 time-outs; the receiver, which awaits, when its patience is at an end."""
    (sender, receiver), _, _ = modelled([[send(700), STOP], [wait(1, 20_000), STOP]], Wires(cut=400))
    assert sender.causes == (0,) and sender.counters["TIMEOUTS"] == 8
    assert receiver.causes == (1,) and receiver.counters["MESSAGES"] == 0 and receiver.elapsed == 20_002
    with pytest.raises(LithifyError, match="a node awaits a message that no other sends"):
        modelled([[wait(1), STOP], [STOP]], Wires())


def test_orders_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="SEND: words is 16777216, and has 24 bits"):
        send(1 << 24).encoded()
    with pytest.raises(ValueError, match="RUN has no field words"):
        order(Opcode.RUN, words=1).encoded()


@pytest.fixture(scope="module")
def library() -> Path:
    return build_nodes(None).library


def both(library: Path, orders: Sequence[Sequence[Order]], wires: Wires, seed: int = 0, **registers: int) -> tuple:
    """RTL and model on the same: every word on the wires and its cycle, registers, DRAM. The model's runs, DRAM before
    and after.
    """
    before = memories(seed)
    hard, soft = ([dram.copy() for dram in before] for _ in range(2))
    with Nodes(library, hard, wires, bytes_per_cycle=WORD_BYTES) as nodes:
        nodes.record()
        for node in range(2):
            for name, value in registers.items():
                nodes.write(node, BY_NAME[f"LINK_{name.upper()}"].offset, value)
        carried = carry_out(nodes, orders, cycle_limit=400_000)
        words = [nodes.words(node) for node in range(2)]
        damaged = nodes.damaged
    tasks = [NodeTask(soft[node], orders[node], carried[node].start, **registers) for node in range(2)]
    runs: tuple[NodeRun, ...] = simulate_nodes(tasks, wires, limit=400_000)
    for node, run in enumerate(runs):
        cycles, data = words[node]
        assert list(zip(cycles.tolist(), map(bytes, data), strict=True)) == [
            (cycle, bytes([kind]) + word) for cycle, (kind, word) in run.words
        ]
        assert (carried[node].elapsed, carried[node].causes) == (run.elapsed, run.causes)
        assert carried[node].counters == run.counters
        assert np.array_equal(hard[node], soft[node])
    return runs, before, hard, damaged


@pytest.mark.slow
@pytest.mark.parametrize("latency", [1, 100])
def test_model_and_rtl_agree(library: Path, latency: int) -> None:
    runs, before, after, damaged = both(library, BOTH_WAYS, Wires(latency=latency))
    arrived(before, after)
    assert damaged == 0 and all(run.counters["FRAMES_AGAIN"] == 0 for run in runs)
    many = [[*[TOKEN, send(1, 0, 0x400), TOKEN] * 12, send(200), STOP], [wait(37), STOP]]
    both(library, many, Wires(latency=latency))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_model_and_rtl_agree_with_errors(library: Path, seed: int) -> None:
    wires = Wires(latency=(100, 7)[seed % 2], seed=seed, rate=(0.005, 0.01, 0.02, 0.05)[seed // 2])
    runs, before, after, damaged = both(library, BOTH_WAYS, wires, seed, tries=200, timeout=700)
    arrived(before, after)
    assert damaged > 0 and sum(run.counters["FRAMES_AGAIN"] for run in runs) > 0


@pytest.mark.slow
def test_model_and_rtl_agree_on_a_dead_link(library: Path) -> None:
    runs, _, _, _ = both(library, [[send(700), STOP], [wait(1, 9000), STOP]], Wires(cut=900), tries=3)
    assert runs[0].causes == (0,) and runs[1].causes == (1,)
