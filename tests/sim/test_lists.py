"""Loads whose planes a list places, and instructions that are passed over: functional simulator and checks."""

import numpy as np
import pytest

from lithify.chip import load_chip
from lithify.errors import LithifyError
from lithify.isa import Instruction, Queue, encode, instruction
from lithify.isa.lists import block_bytes, bursts_of, pitch
from lithify.sim.functional import check_order, run_segment

TINY = load_chip("tiny")
WORD = TINY.word_bytes
PITCH, ROW = pitch(TINY, 24), 24
LIST, TABLE = 4096, 256
END = instruction("END")


def gather(**fields: int) -> Instruction:
    """A load of the rows that the list at LIST names, from a table of 64 rows at TABLE."""
    values = {"offset": TABLE, "row_bytes": ROW, "rows": 1, "planes": 5, "plane_words": 3, "listed": 1, "fill": -7,
              "list_base": 1, "plane_stride": LIST, "table": 64 * PITCH // 128, "address": 10}  # fmt: skip
    return instruction("LOAD", **{**values, **fields})


def store(**fields: int) -> Instruction:
    """A store of 15 words from where `gather` loads to."""
    values = {"base": 2, "row_bytes": 15 * WORD, "rows": 1, "planes": 1, "address": 10}
    return instruction("STORE", **{**values, **fields})


def memories(indices: list[int]) -> dict[int, np.ndarray]:
    table = np.random.default_rng(1).integers(0, 256, TABLE + 64 * PITCH, np.uint8)
    lists = np.zeros(LIST + 64, np.uint8)
    entries = np.array(indices, "<u4") * PITCH
    lists[LIST : LIST + entries.nbytes] = entries.view(np.uint8)
    return {0: table, 1: lists, 2: np.zeros(16 * WORD, np.uint8)}


def run(program: list[Instruction], dram: dict[int, np.ndarray], skip: int = 0) -> np.ndarray:
    run_segment(TINY, encode([*program, END]), dram, skip=skip)
    return dram[2][: 15 * WORD].reshape(5, 3 * WORD)


def test_rows_are_those_that_the_list_names() -> None:
    indices = [63, 0, 17, 17, 40]
    dram = memories(indices)
    rows = run([gather(), store()], dram)
    for index, row in zip(indices, rows, strict=True):
        wanted = dram[0][TABLE + index * PITCH :][:ROW]
        assert np.array_equal(row[:ROW], wanted)
        assert (row[ROW:].view(np.int8) == -7).all()


def test_what_is_passed_over_changes_nothing() -> None:
    program = [gather(when=3), instruction("LOAD", row_bytes=15 * WORD, rows=1, planes=1, address=10, when=4), store()]
    first = run(program, memories([1, 2, 3, 4, 5]), skip=1 << 4).copy()
    dram = memories([1, 2, 3, 4, 5])
    assert np.array_equal(first, run([gather(), store()], dram))
    assert np.array_equal(run(program, dram, skip=1 << 3).reshape(-1), dram[0][: 15 * WORD])
    assert not run([gather(), store(when=15)], memories([0] * 5), skip=0xFFFF).any()


@pytest.mark.parametrize(
    ("fields", "indices", "message"),
    [
        ({}, [0, 0, 64, 0, 0], "Instruction 0 (LOAD) is led 2048 bytes into its table, but rows must lie within its "
                               "2048 bytes."),
        ({"planes": 9}, [0], "Instruction 0 (LOAD) takes 9 planes from a list, but a list holds 8."),
        ({"plane_stride": 4100}, [0],
         "Instruction 0 (LOAD) has a list at byte 4100, but it must be at a multiple of 32 bytes."),
        ({"table": 0}, [0], "Instruction 0 (LOAD) has table 0, but it must be at least 1."),
    ],
)  # fmt: skip
def test_lists_that_lead_astray_are_refused(fields: dict[str, int], indices: list[int], message: str) -> None:
    with pytest.raises(LithifyError) as caught:
        run([gather(**fields)], memories(indices))
    assert str(caught.value) == message


def test_rows_that_would_be_cut_otherwise_are_refused() -> None:
    """Timing would depend on data: a row of two words from the last of a block on is two bursts."""
    block = block_bytes(TINY)
    assert block == 512
    dram = memories([0] * 5)
    dram[1][LIST : LIST + 4] = np.array([block - TABLE - WORD], "<u4").view(np.uint8)
    with pytest.raises(LithifyError) as caught:
        run([gather()], dram)
    assert str(caught.value) == (
        f"Instruction 0 (LOAD) is led {block - TABLE - WORD} bytes into its table, "
        "but rows must be cut into bursts there as they are at its begin."
    )


def test_a_chip_without_the_unit_refuses_lists() -> None:
    chip = TINY.model_copy(update={"units": ("add",)})
    with pytest.raises(LithifyError) as caught:
        run_segment(chip, encode([gather(), END]), memories([0]))
    assert str(caught.value) == (
        "Instruction 0 (LOAD) needs the unit 'gather', but chip 'tiny' has no such unit; its optional units are: add."
    )


@pytest.mark.parametrize("size", [1, 8, 24, 100, 512, 513, 768, 3000, 5000])
def test_rows_of_a_table_are_all_cut_alike(size: int) -> None:
    for chip in (TINY, load_chip("edge")):
        step = pitch(chip, size)
        assert step >= size and step % chip.bus_bytes == 0
        entries = np.arange(200, dtype=np.int64) * step
        cuts = bursts_of(chip, instruction("LOAD", offset=8192, row_bytes=size, rows=1), entries)
        assert (cuts == cuts[0]).all()


def test_a_table_that_is_being_stored_is_waited_for() -> None:
    stored = store(base=0, offset=TABLE + 128, signal=1 << Queue.LOAD)
    with pytest.raises(LithifyError, match="meet in DRAM behind base register 0"):
        check_order(TINY, [stored, gather(address=TINY.words - 100), END])
    check_order(TINY, [stored, gather(address=TINY.words - 100, wait=1 << Queue.STORE), END])
    listed = store(base=1, offset=LIST)
    with pytest.raises(LithifyError, match="meet in DRAM behind base register 1"):
        check_order(TINY, [listed, gather(address=TINY.words - 100), END])
