"""Caches that rows are added to in place, at a position that each run is given: the reference's bits in every view."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import lithify
from compiler.test_rows import WITH_UNIT, device
from lithify.isa.program import Base
from lithify.isa.sequence import chip_segments, segment_instructions
from lithify.networks.decoder import decoder, states
from lithify.program import Program
from lithify.reference.evaluate import run as run_reference
from lithify.runtime import run
from lithify.sim.functional.order import check_order

LENGTH = 32
STEPS = 16


def samples(
    length: int, tokens: int, count: int = 6, vocabulary: int = 96, width: int = 32
) -> list[dict[str, np.ndarray]]:
    random = np.random.default_rng(1)
    return [
        {
            "tokens": random.integers(0, vocabulary, (1, tokens)),
            "position": random.integers(0, length - tokens + 1, (1,)),
            **{name: random.normal(0, 1, (1, length, width)).astype(np.float32) for name in states()},
        }
        for _ in range(count)
    ]


@cache
def program(tokens: int = 1, chip: str = "tiny") -> Program:
    model = lithify.optimize(lithify.load(decoder(length=LENGTH, tokens=tokens)))
    model = lithify.quantize(model, samples(LENGTH, tokens), state=states())
    return lithify.compile(model, WITH_UNIT[chip], strict=True)


def decoded(
    one: Program, steps: int, tokens: int = 1
) -> Iterator[tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]]:
    """For each step tokens, position, and what the reference makes of them; its best token is the next one's."""
    assert one.graph is not None
    carried = {state.input: np.zeros(one.graph.tensors[state.input].shape, np.float32) for state in one.states}
    token = np.full((1, tokens), 7)
    for step in range(steps):
        position = np.array([step * tokens])
        made = run_reference(one.graph, {"tokens": token, "position": position, **carried})
        carried = {state.input: made[state.output] for state in one.states}
        yield token, position, made
        token = made["scores"].argmax(-1)


@pytest.mark.parametrize("tokens", [1, pytest.param(4, marks=pytest.mark.slow)])
def test_tokens_are_decoded_step_by_step(tokens: int) -> None:
    """Nothing runs on the host; the caches never leave DRAM, and only the new rows of them are written."""
    one = program(tokens)
    assert one.inputs == ("tokens", "position") and one.outputs == ("scores",) and one.host_nodes == ()
    assert one.cache is not None and (one.cache.rows, one.cache.added) == (LENGTH, tokens)
    one.reset()
    seen = set()
    for token, position, made in decoded(one, STEPS if tokens == 1 else LENGTH // tokens, tokens):
        before = {state.input: one.state(state.input) for state in one.states}
        (scores,) = one.run(token, position)
        assert np.array_equal(scores, made["scores"])
        seen.add(scores.tobytes())
        for state in one.states:
            assert np.array_equal(one.state(state.input), made[state.output])
            kept = np.delete(one.state(state.input), range(position[0], position[0] + tokens), axis=1)
            assert np.array_equal(
                kept, np.delete(before[state.input], range(position[0], position[0] + tokens), axis=1)
            )
    assert len(seen) > 1


def test_the_order_of_additions_and_reads_is_kept() -> None:
    one = program()
    for segment in chip_segments(one):
        instructions = segment_instructions(one, segment)
        check_order(one.chip, instructions)
        stores = [entry for entry in instructions if entry.operation.name == "STORE"]
        added = [entry for entry in stores if entry.integer("base") == Base.APPEND]
        assert len(added) == len(one.states)
        assert not [entry for entry in stores if entry.integer("base") == Base.CACHE]


@pytest.mark.parametrize("position", [-1, LENGTH])
def test_a_position_without_room_is_refused(position: int) -> None:
    one = program()
    with pytest.raises(lithify.LithifyError) as caught:
        one.run(np.array([[7]]), np.array([position]))
    assert str(caught.value) == (
        f"The position 'position' is {position}, and the cache has {LENGTH} rows, to which a row is added; "
        f"give a position from 0 to {LENGTH - 1}."
    )


def test_a_program_with_caches_is_verified_and_saved(tmp_path: Path) -> None:
    one = program()
    assert one.verify(rtl="none").agreed
    one.save(tmp_path / "d.lith")
    loaded = Program.load(tmp_path / "d.lith")
    assert loaded.cache == one.cache and loaded.states == one.states
    loaded.reset()
    for token, position, made in decoded(one, 3):
        assert np.array_equal(loaded.run(token, position)[0], made["scores"])


@pytest.mark.slow
def test_decoding_in_rtl() -> None:
    one = program()
    one.reset()
    for token, position, made in decoded(one, 4):
        outcome = run(one, [token, position], device("tiny"), memory=one._kept())
        assert outcome.cycles == one.simulate().cycles
        assert np.array_equal(outcome.outputs[0], made["scores"])


def test_a_cache_that_is_no_state_is_written_on_the_host() -> None:
    """By name, and with the reference's bits."""
    model = lithify.quantize(lithify.optimize(lithify.load(decoder(1, length=LENGTH))), samples(LENGTH, 1))
    one = lithify.compile(model, WITH_UNIT["tiny"])
    assert one.cache is None and set(one.reasons) == {"present_key_0", "present_value_0"}
    assert one.reasons["present_key_0"] == (
        "'past_key_0_quantized' is no state that 'present_key_0_quantized' becomes; quantise the network with state="
    )
    assert one.verify(rtl="none").agreed
