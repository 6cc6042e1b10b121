"""Every cycle and every byte of a profile is accounted for once, and what would help is what a changed chip does."""

from dataclasses import replace

import numpy as np
import pytest

from lithify.chip import Chip, load_chip
from lithify.chip.gates import gate_blocks
from lithify.isa import Queue, instruction
from lithify.isa.sequence import all_instructions
from lithify.profile import Profile
from lithify.profile.energy import energy, scratchpad_bytes
from lithify.profile.inference import WAITED
from lithify.profile.scratchpad import scratchpad_use, words_of
from lithify.profile.what_if import changes
from lithify.program import Program
from lithify.quantize import seeded
from lithify.runtime import run
from lithify.sim.cost import SPENT, TRANSFERS
from lithify.sim.inference import SegmentRun


def test_cycles_add_up(program: Program, profile: Profile) -> None:
    assert profile.cycles == program.simulate().cycles
    assert sum(layer.cost.cycles for layer in profile.layers) == profile.cycles
    assert sum(profile.spent().values()) == profile.cycles
    for layer in profile.layers:
        assert tuple(layer.cost.spent) == SPENT and tuple(layer.waited) == WAITED
        assert sum(layer.waited.values()) == layer.cost.spent[TRANSFERS]
        assert f"{layer.cost.cycles:,}" in layer.why


def test_units_work_no_more_than_there_are_cycles(
    program: Program, profile: Profile, runs: tuple[SegmentRun, ...]
) -> None:
    assert sum(layer.busy["array"] for layer in profile.layers) == profile.array_cycles
    for layer in profile.layers:
        assert 0 <= layer.busy["array"] <= layer.cost.cycles
    # The memory port moves no more than its rate allows; the rest of its bytes came before the last word was fed.
    moved = sum(layer.busy["dma"] for layer in profile.layers)
    bytes_ = profile.simulation.dram_bytes / program.chip.dram_bytes_per_cycle
    assert 0.9 * bytes_ <= moved <= bytes_ + len(profile.layers)


def test_bytes_add_up(program: Program, profile: Profile) -> None:
    assert sum(row.bytes for row in profile.traffic) == profile.simulation.dram_bytes
    assert sum(profile.to_json()["traffic_by_kind"].values()) == profile.simulation.dram_bytes
    by_layer = sum(layer.weight_bytes + layer.activation_bytes for layer in profile.layers)
    instructions = next(row.bytes for row in profile.traffic if row.kind == "instructions")
    assert by_layer + instructions == profile.simulation.dram_bytes
    # Every weight is loaded, once; what fills a chunk of constants up to whole rows of 128 bytes need not be.
    weights = sum(row.read_bytes for row in profile.traffic if row.kind == "weights")
    chunks = sum(entry.operation.name == "LOAD" and not entry.integer("base") for entry in all_instructions(program))
    assert 0 <= len(program.constants) - weights < 128 * chunks
    assert {row.tensor for row in profile.traffic if row.kind == "input"} == {"input_quantized"}


def test_what_helps_is_the_changed_chip(program: Program, profile: Profile) -> None:
    """The program means the same on it: the outputs are equal; and its cycles are those of the timing simulator."""
    told = {row.name: row for row in profile.helped if not row.bound}
    tried = changes(program.chip)
    assert {change.name for change in tried} == set(told) and "twice the bandwidth" in told
    sample = seeded(program.model_inputs, 1, 0)[0]
    expected = run(program, sample).outputs
    for change in tried:
        changed = replace(program, chip=change.chip)
        if change.name != "a memory next to the chip":
            assert changed.simulate().cycles == told[change.name].cycles
        for output, same in zip(run(changed, sample).outputs, expected, strict=True):
            assert np.array_equal(output, same)
    assert told["twice the bandwidth"].cycles < profile.cycles
    assert told["a memory next to the chip"].cycles < profile.cycles


def test_bounds_are_marked(profile: Profile) -> None:
    spent = profile.spent()
    bounds = {row.name: row.cycles for row in profile.helped if row.bound}
    assert bounds == {
        "a weight port that is never waited for": profile.cycles - spent["weight port"],
        "post-processing that is never waited for": profile.cycles - spent["post-processing"],
    }
    assert all("a bound, not simulated" in row.how for row in profile.helped if row.bound)


def test_the_roofline_is_below_the_cycles(program: Program, profile: Profile) -> None:
    roof = profile.roofline
    assert roof.cycles == max(roof.compute_cycles, roof.memory_cycles) < profile.cycles
    assert roof.compute_cycles == profile.simulation.macs / program.chip.multipliers
    assert program.graph is not None
    weights = sum(array.nbytes for array in program.graph.constants.values() if array.ndim)
    ends = 28 * 28 + 10 if program.inputs[0] == "input" and profile.simulation.macs == 248768 else 32 * 32 + 10
    assert roof.minimal_bytes == weights + ends
    assert replace(program, model=None).graph is None


def test_the_curves_stay_in_the_memory(program: Program, profile: Profile) -> None:
    curves = profile.curves
    held = [sum(pair) for pair in zip(curves.weights, curves.activations, strict=True)]
    assert 0 < max(held) <= program.chip.scratchpad_bytes and min(held) >= 0
    assert list(curves.cycle) == sorted(set(curves.cycle)) and curves.cycle[0] == 0
    assert max(curves.dram) <= 1 and max(curves.dram) > 0.9


@pytest.mark.parametrize("name", ["tiny", "edge"])
def test_words_in_use_by_hand(name: str) -> None:
    """A tensor of 12 words from cycle 10 to 50, two words of weights from 20 to 40, one of them read again until 60."""
    chip = load_chip(name)
    row = chip.word_bytes
    program = [
        instruction("LOAD", base=1, address=100, row_bytes=4 * row, rows=3, planes=1, row_words=4),
        instruction("LOAD", base=0, address=0, row_bytes=2 * row, rows=1, planes=1),
        instruction("STORE", base=2, address=0, row_bytes=2 * row, rows=1, planes=1),
        instruction("STORE", base=2, address=100, row_bytes=12 * row, rows=1, planes=1),
        instruction("STORE", base=2, address=1, row_bytes=row, rows=1, planes=1),
        instruction("END"),
    ]
    use = scratchpad_use(chip, program, [10, 20, 30, 35, 55, 0], [19, 29, 39, 49, 59, 0])
    assert use.readers == {1: {2: 2}, 0: {3: 12}}
    assert use.writers == {2: (1,), 3: (0,), 4: (1,)}
    assert use.occupancy.cycle.tolist() == [10, 20, 40, 50, 60]
    assert use.occupancy.words.tolist() == [[0, 2, 1, 1, 0], [12, 12, 12, 0, 0]]
    cycles, (weights, rest) = use.occupancy.peaks(4, 80)
    assert (cycles, weights, rest) == ([0, 20, 40, 60], [0, 2, 1, 0], [12, 12, 12, 0])


def test_the_words_of_a_convolution() -> None:
    """3 x 3 over 6 x 6 with a border of one: all 36 words of the input are read, and 36 results written."""
    chip = load_chip("tiny")
    entry = instruction(
        "CONV", in_address=1000 - 7, in_height=6, in_width=6, start_y=-1, start_x=-1, position_y=1, position_x=1,
        position_y_words=6, position_x_words=1, pass_y=1, pass_x=1, pass_y_words=6, pass_x_words=1, window_height=1,
        window_width=1, slide=1, passes_y=3, passes_x=3, chunks=1, out_height=6, out_width=6, out_address=2000,
        out_row_words=6, out_pixel_words=1, tile=16, groups=1, group_words=1, last_group_words=1, weight_address=10,
    )  # fmt: skip
    read, written = words_of(chip, entry)
    assert written.tolist() == list(range(2000, 2036))
    assert read.tolist() == [*range(10, 10 + 8 + 9 * 8), *range(1000, 1036)]
    # 36 positions x 9 taps fed, 36 results, and for each of 3 tiles 9 sets of 8 words, and 8 words of parameters.
    assert scratchpad_bytes(chip, entry, 36 * 9) == 8 * (36 * 9 + 36 + 3 * 9 * 8 + 8)
    ring = instruction("CONV", **{**entry.values, "in_ring_start": 990, "in_ring_words": 40})
    assert words_of(chip, ring)[0].tolist() == [*range(10, 90), *range(990, 996), *range(1000, 1030)]


def test_energy_by_hand() -> None:
    """A thousand cycles of 64 multipliers at 2.7 pJ, two thousand of 8 columns at 2.1, 8,000 bytes of the deepest SRAM
    at 10 pJ, gates of the lanes at 0.33 fJ, all but those, array, queues and table at 1.64, 1,000 DRAM bytes at 243.75.
    """
    chip = load_chip("tiny")
    found = energy(chip, 2000, 1000, 8000, 1000)
    assert [round(part, 9) for part in (found.array, found.sram, found.dram)] == [0.2064, 0.08, 0.24375]
    gates = {block.name: block.gates for block in gate_blocks(chip)}
    lanes = 8 * (11_450 + 10_630)
    counted = sum(gates.values()) - gates["array"] - gates["queues"] - gates["table"] - lanes
    assert found.logic == pytest.approx(2000 * (counted * 0.00164e-6 + lanes * 0.00033e-6))
    assert found.total == found.array + found.sram + found.logic + found.dram


def test_energy_of_the_vector_unit_by_hand() -> None:
    """152 pJ in every cycle, 189 more at work; and of 256 words an SRAM byte takes less."""
    plain = load_chip("tiny")
    chip = Chip.model_validate(plain.model_dump(by_alias=True) | {"vector_lanes": 2})
    idle, work = energy(chip, 2000, 0, 0, 0), energy(chip, 2000, 0, 0, 0, 500)
    assert work.logic - idle.logic == pytest.approx(500 * 189e-6)
    own = {block.name: block.gates for block in gate_blocks(chip)}, {b.name: b.gates for b in gate_blocks(plain)}
    more = sum(own[0][name] - own[1][name] for name in ("control", "scratchpad ports"))
    assert idle.logic - energy(plain, 2000, 0, 0, 0).logic == pytest.approx(2000 * (152e-6 + more * 0.00164e-6))
    shallow = Chip.model_validate(plain.model_dump(by_alias=True) | {"scratchpad_bytes": 8 * 256 * 8})
    assert energy(shallow, 0, 0, 1000, 0).sram == pytest.approx(1000 * 7.25e-6)


def test_starts_and_bursts_of_the_timing_simulator(program: Program, runs: tuple[SegmentRun, ...]) -> None:
    for segment in runs:
        timing = segment.timing
        assert (timing.start <= timing.cycle).all()
        for queue in Queue:
            own = timing.start[timing.queue == queue]
            assert (np.diff(own) > 0).all()
            assert own.size == len(segment.indices(queue))
        first, last, beats = timing.bursts.T
        assert beats.sum() == timing.read_beats + timing.write_beats
        assert (last - first >= beats - 1).all() and (first[1:] > last[:-1]).all() and last.max() < timing.cycles
