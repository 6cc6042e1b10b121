"""Caches that rows are added to in place, at a position that each run is given: the reference's bits in every view."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
import serial
from tests.runtime.naive_board import NaiveBoard

import lithify
from compiler.test_rows import WITH_UNIT, device
from lithify.isa.file import from_bytes, to_bytes
from lithify.isa.program import Base, ChipSegment
from lithify.isa.sequence import chip_segments, segment_instructions
from lithify.networks.decoder import decoder, states
from lithify.program import Program
from lithify.reference.evaluate import run as run_reference
from lithify.rtl.link.system import SystemDescription
from lithify.runtime import run
from lithify.runtime.fpga import FpgaDevice
from lithify.runtime.states import first_memory
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
def quantized(tokens: int) -> ir.Model:
    model = lithify.optimize(lithify.load(decoder(length=LENGTH, tokens=tokens)))
    return lithify.quantize(model, samples(LENGTH, tokens), state=states())


def compiled(tokens: int = 1, lengths: tuple[int, ...] | None = None) -> Program:
    return lithify.compile(quantized(tokens), WITH_UNIT["tiny"], strict=True, lengths=lengths)


@cache
def program(tokens: int = 1) -> Program:
    return compiled(tokens)


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
        assert len(added) == len(one.states) and len(chip_segments(one)) == 3
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
    text = loaded.disassemble()
    assert "1 added at 'position'; instructions for 8, 16 rows too\n" in text and "chip chip 1, 8 rows: bytes" in text
    assert loaded.segments == one.segments and loaded.cache == one.cache and loaded.states == one.states
    loaded.reset()
    for token, position, made in decoded(one, 3):
        assert np.array_equal(loaded.run(token, position)[0], made["scores"])


def test_damaged_caches_are_refused() -> None:
    one = program()
    assert one.cache is not None and from_bytes(to_bytes(one), "d.lith").cache == one.cache
    moved = tuple(replace(state, placement=replace(state.placement, base=Base.STATE)) for state in one.states)
    for changed, what in (
        (replace(one, cache=replace(one.cache, added=0)), "its caches cannot be added to at 'position'"),
        (replace(one, cache=replace(one.cache, pitch=64)), "its caches cannot be added to at 'position'"),
        (replace(one, cache=replace(one.cache, position="tokens_2")), "its caches cannot be added to at 'tokens_2'"),
        (replace(one, cache=None), "nothing says where rows of 'past_key_0_quantized' are added"),
        (replace(one, states=moved), "the state 'past_key_0' lies beyond its memory"),
        (
            replace(one, originals={"tokens": "position", **one.originals}),
            "'tokens' cannot be the first elements of 'position'",
        ),
    ):
        with pytest.raises(lithify.LithifyError) as caught:
            from_bytes(to_bytes(changed), "d.lith")
        assert what in str(caught.value), what


@pytest.mark.slow
def test_decoding_in_rtl() -> None:
    """Over the border of two lengths; what came before is left by the functional simulator."""
    one = program()
    one.reset()
    for step, (token, position, made) in enumerate(decoded(one, 10)):
        rtl = step in (0, 6, 7, 8, 9)
        outcome = run(one, [token, position], device("tiny") if rtl else None, memory=one._kept())
        assert np.array_equal(outcome.outputs[0], made["scores"])
        if rtl:
            assert outcome.cycles == one.simulate(position=step).cycles


def test_cycles_fall_where_fewer_tokens_are_cached() -> None:
    """A length serves the launches after which the caches hold at most so many rows; weights are stored once."""
    one = program()
    (segment,) = (part for part in one.segments if isinstance(part, ChipSegment))
    assert [entry.rows for entry in segment.shorter] == [8, 16] and one.cache is not None and one.cache.whole == ""
    cycles = [one.simulate(position=position).cycles for position in (0, 7, 8, 15, 16, LENGTH - 1)]
    assert cycles[0] == cycles[1] < cycles[2] == cycles[3] < cycles[4] == cycles[5] == one.simulate().cycles
    whole = compiled(lengths=())
    assert whole.simulate(position=0).cycles == cycles[-1]
    assert len(one.constants) < 1.1 * len(whole.constants)
    token = np.array([[7]])
    for position in (0, 7, 8, 15, 16):
        one.reset()
        whole.reset()
        assert np.array_equal(one.run(token, np.array([position]))[0], whole.run(token, np.array([position]))[0])


def test_lengths_are_checked() -> None:
    for length in (0, LENGTH):
        with pytest.raises(lithify.LithifyError) as caught:
            compiled(lengths=(length,))
        assert str(caught.value) == (
            f"A length of {length} rows was asked for, and the caches have {LENGTH}, of which a run adds 1; "
            f"give lengths from 1 to {LENGTH - 1}."
        )
    with pytest.raises(lithify.LithifyError) as caught:
        program().simulate(position=LENGTH)
    assert "give a position from 0 to 31." in str(caught.value)


def test_an_attention_without_its_mask_keeps_its_whole_length() -> None:
    """What is behind the position would count: nothing says that it is 0."""
    proto = ir.serde.serialize_model(decoder(1, length=LENGTH))
    for node in proto.graph.node:
        if node.op_type == "Softmax":
            node.input[0] = "layer0.scaled"
    model = lithify.optimize(lithify.load(proto))
    one = lithify.compile(lithify.quantize(model, samples(LENGTH, 1), state=states(1)), WITH_UNIT["tiny"])
    assert one.cache is not None
    assert one.cache.whole == "'layer0.shares' (Softmax) reads rows of a cache in another way than attention"
    assert one.simulate(position=0).cycles == one.simulate().cycles
    assert (
        f"caches of {LENGTH} rows of 128 bytes, 1 added at 'position'; instructions for no fewer rows too, because "
        "'layer0.shares' (Softmax) reads rows of a cache in another way than attention\n"
    ) in one.disassemble()


def test_a_cache_that_is_no_state_is_written_on_the_host() -> None:
    """By name, and with the reference's bits."""
    model = lithify.quantize(lithify.optimize(lithify.load(decoder(1, length=LENGTH))), samples(LENGTH, 1))
    one = lithify.compile(model, WITH_UNIT["tiny"])
    assert one.cache is None and set(one.reasons) == {"present_key_0", "present_value_0"}
    assert one.reasons["present_key_0"] == (
        "'past_key_0_quantized' is no state that 'present_key_0_quantized' becomes; quantise the network with state="
    )
    assert one.verify(rtl="none").agreed


@pytest.mark.slow
def test_a_prompt_in_pieces_of_any_length_gives_the_same_bits() -> None:
    """A piece that is not full is filled with anything: what lies behind the next position is written again."""
    one = program(4)
    random = np.random.default_rng(3)
    prompt = random.integers(0, 96, 9)

    def scores(pieces: tuple[int, ...]) -> np.ndarray:
        one.reset()
        found, position = [], 0
        for size in pieces:
            given = np.concatenate([prompt[position : position + size], random.integers(0, 96, 4 - size)])
            found.append(one.run(given[None], np.array([position]))[0][0, :size])
            position += size
        return np.concatenate(found)

    wanted = scores((1,) * 9)
    for pieces in ((4, 4, 1), (4, 3, 2), (2, 4, 3)):
        assert np.array_equal(scores(pieces), wanted)


def test_a_session_and_a_board_keep_the_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a board behind a link the base registers are those of its memory."""
    one = program()
    board = NaiveBoard(SystemDescription(one.chip, 1 << 20, 100_000_000, 1_000_000))
    monkeypatch.setattr(serial, "serial_for_url", lambda name, baudrate, timeout: board)
    memory = first_memory(one)
    with lithify.Session(one) as session, FpgaDevice.open("fpga:/dev/ttyUSB7") as device:
        for token, position, made in decoded(one, 3):
            feed = {"tokens": token, "position": position}
            assert np.array_equal(session.run(None, feed)[0], made["scores"])
            assert np.array_equal(run(one, feed, device, memory=memory).outputs[0], made["scores"])
