"""The order checker against a chip that holds one instruction back for ever, and against hazards made by hand."""

import re
from dataclasses import replace

import numpy as np
import pytest

from lithify.chip import Chip
from lithify.errors import LithifyError
from lithify.isa import Instruction, Queue, instruction
from lithify.isa.addresses import activation_reads, reduced_reads, steps_between_reads
from lithify.sim.functional.banks import activation_words
from lithify.sim.functional.dram import dram_spans, spans_meet
from lithify.sim.functional.order import check_order

BANK = 256
LOAD, COMPUTE, STORE = (1 << queue for queue in (Queue.LOAD, Queue.COMPUTE, Queue.STORE))


def chip(queue_depth: int = 64) -> Chip:
    return Chip(
        schema=1, name="hand", clock_hz=100_000_000, rows=8, columns=8, accumulators=8, lanes=8,
        scratchpad_bytes=16 * BANK * 8, scratchpad_banks=16, bus_bytes=4, dram_bytes_per_cycle=4,
        queue_depth=queue_depth,
    )  # fmt: skip


def load(bank: int, wait: int = 0, signal: int = 0, base: int = 0, **fields: int) -> Instruction:
    transfer = {"row_bytes": 64, "rows": 1, "planes": 1, **fields}
    return instruction("LOAD", base=base, address=bank * BANK, wait=wait, signal=signal, **transfer)


def store(bank: int, wait: int = 0, signal: int = 0, base: int = 1, **fields: int) -> Instruction:
    transfer = {"row_bytes": 64, "rows": 1, "planes": 1, **fields}
    return instruction("STORE", base=base, address=bank * BANK, wait=wait, signal=signal, **transfer)


def conv(activations: int, weights: int, results: int, residual: int | None = None, size: int = 1, **fields: int):
    ones = ("window_height", "window_width", "slide", "passes_y", "passes_x", "chunks", "groups", "group_words")
    values = {
        **dict.fromkeys((*ones, "last_group_words", "tile", "in_height", "out_height"), 1),
        "in_width": size,
        "out_width": size,
        "in_address": activations * BANK,
        "weight_address": weights * BANK,
        "out_address": results * BANK,
        "maximum": 127,
    }
    if residual is not None:
        values |= {"residual": 1, "residual_address": residual * BANK, "a_multiplier": 1.0, "b_multiplier": 1.0}
        values |= {"sum_maximum": 127}
    return instruction("CONV", **{**values, **fields})


APART = {"out_height": 1, "out_row_words": 0, "out_pixel_words": 32, "in_width": 32}
"""Results whose positions are 32 words apart: eight of them take a bank."""


def refused(entries: list[Instruction], on: Chip | None = None) -> str:
    with pytest.raises(LithifyError) as caught:
        check_order(on or chip(), entries)
    return str(caught.value)


def replaced(entry: Instruction, **fields: int) -> Instruction:
    values = {field.name: entry[field.name] for field in entry.operation.fields if field.name != "opcode"}
    return instruction(entry.operation.name, **{**values, **fields})


def test_a_chain_of_tokens_orders_what_it_passes_through() -> None:
    check_order(
        chip(),
        [
            load(0),
            load(1, signal=COMPUTE),
            conv(1, 0, 2, wait=LOAD, signal=STORE | LOAD),
            store(2, wait=COMPUTE, signal=LOAD),
            load(0, wait=COMPUTE),
            load(2, wait=STORE),
            instruction("END"),
        ],
    )


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (
            [load(0), load(1), conv(1, 0, 2)],
            "Instruction 2 (CONV) and instruction 0 (LOAD) both use scratchpad bank 0, "
            "but no token makes the later wait until the earlier has retired.",
        ),
        (
            [load(0, signal=COMPUTE), load(1), conv(1, 0, 2, wait=LOAD)],
            "Instruction 2 (CONV) and instruction 1 (LOAD) both use scratchpad bank 1, "
            "but no token makes the later wait until the earlier has retired.",
        ),
        (
            [conv(1, 0, 2), load(0)],
            "Instruction 1 (LOAD) and instruction 0 (CONV) both use scratchpad bank 0, "
            "but no token makes the later wait until the earlier has retired.",
        ),
        (
            [conv(1, 0, 2, signal=LOAD), store(1), load(3, wait=COMPUTE)],
            "Instruction 1 (STORE) and instruction 0 (CONV) both use scratchpad bank 1, "
            "but no token makes the later wait until the earlier has retired.",
        ),
        (
            [load(5, base=3, offset=0), store(6, base=3, offset=56)],
            "Instruction 1 (STORE) and instruction 0 (LOAD) meet in DRAM behind base register 3, "
            "but no token makes the later wait until the earlier has retired.",
        ),
        (
            [store(6, base=3, offset=64), load(5, base=3, offset=127, row_bytes=1)],
            "Instruction 1 (LOAD) and instruction 0 (STORE) meet in DRAM behind base register 3, "
            "but no token makes the later wait until the earlier has retired.",
        ),
        (
            [load(0), conv(1, 2, 3, wait=STORE), store(4, wait=COMPUTE, signal=COMPUTE)],
            "The program waits for ever: instruction 1 (CONV) waits for a token from STORE "
            "that no instruction can give before it starts.",
        ),
        (
            [conv(1, 0, 1)],
            "Instruction 0 (CONV) has activations and results in scratchpad bank 1; each must be in banks of its own.",
        ),
        (
            [conv(1, 0, 2, residual=2)],
            "Instruction 0 (CONV) has residual and results in scratchpad bank 2; each must be in banks of its own.",
        ),
        (
            # Results half a bank below what is added; and in its place from the last to the first.
            [conv(1, 0, 2, residual=2, size=24, residual_address=2 * BANK + 128, **APART)],
            "Instruction 0 (CONV) has residual and results in scratchpad bank 2; each must be in banks of its own.",
        ),
        (
            [conv(1, 0, 3, residual=2, size=32, **APART)],
            "Instruction 0 (CONV) has residual and results in scratchpad bank 3; each must be in banks of its own.",
        ),
        (
            [conv(1, 0, 2), conv(2, 0, 3)],
            "Instruction 1 (CONV) reads activations in scratchpad bank 2 while instruction 0 (CONV) may still use it; "
            "the later must be `serial`, or they must use different banks.",
        ),
        (
            [conv(1, 0, 2), conv(1, 0, 3, residual=2)],
            "Instruction 1 (CONV) reads the residual in scratchpad bank 2 while instruction 0 (CONV) may still use it; "
            "the later must be `serial`, or they must use different banks.",
        ),
        (
            # The one between is fed for 32 cycles: 5 until the first's last sum, its one beat, 26 of the 27 behind it.
            [conv(1, 0, 2), conv(1, 0, 3, size=32), conv(2, 0, 4)],
            "Instruction 2 (CONV) reads activations in scratchpad bank 2 while instruction 0 (CONV) may still use it; "
            "the later must be `serial`, or they must use different banks.",
        ),
        (
            [conv(1, 0, 2), conv(3, 2, 4, serial=1)],
            "Instruction 1 (CONV) reads weights in scratchpad bank 2 while instruction 0 (CONV) may still use it; "
            "weights must lie in other banks than what the instructions before read and write.",
        ),
        (
            [conv(1, 0, 2), conv(3, 1, 4, serial=1)],
            "Instruction 1 (CONV) reads weights in scratchpad bank 1 while instruction 0 (CONV) may still use it; "
            "weights must lie in other banks than what the instructions before read and write.",
        ),
        (
            [conv(1, 0, 2), conv(1, 0, 3), conv(1, 2, 4, serial=1)],
            "Instruction 2 (CONV) reads weights in scratchpad bank 2 while instruction 0 (CONV) may still use it; "
            "weights must lie in other banks than what the instructions before read and write.",
        ),
    ],
)
def test_hazards_are_refused_with_both_instructions(entries: list[Instruction], message: str) -> None:
    assert refused(entries) == message


@pytest.mark.parametrize(
    "entries",
    [
        [conv(1, 0, 2), conv(2, 0, 1, serial=1)],  # ping and pong
        [conv(1, 0, 2), conv(3, 0, 1)],  # the feeder has left bank 1 before the second is drained
        [conv(1, 0, 2), conv(1, 0, 2)],
        [conv(1, 0, 2), conv(1, 0, 3, size=200), conv(1, 0, 4), conv(2, 0, 5)],  # 200 beats lie between
        [conv(1, 0, 2), conv(1, 0, 3, size=33), conv(2, 0, 4)],  # 33 cycles of feeding lie between
        [conv(1, 0, 2, residual=3, size=32, **APART)],  # results a bank below what is added, over what has been read
        [conv(1, 0, 2), conv(1, 0, 3), conv(1, 0, 4, serial=1), conv(2, 0, 5)],  # retired before the serial one
        [conv(1, 0, 2), conv(3, 0, 4), conv(5, 1, 6)],  # weights where the last but one read activations
        [load(0, offset=0, base=3), store(1, offset=64, base=3)],
        # Columns of one image: rows interleave and no byte is shared.
        [load(0, base=3, rows=4, row_bytes=8, row_stride=32),
         store(1, base=3, rows=4, row_bytes=8, row_stride=32, offset=8)],
    ],
)  # fmt: skip
def test_what_is_in_order_is_accepted(entries: list[Instruction]) -> None:
    check_order(chip(), entries)


def test_a_full_queue_stops_the_decoder() -> None:
    waiting = [load(number, wait=COMPUTE) for number in range(3)]
    entries = [*waiting, *[conv(8, 9, 10, signal=LOAD)] * 3]
    check_order(chip(queue_depth=3), entries)
    assert refused(entries, chip(queue_depth=2)) == (
        "The program waits for ever: instruction 0 (LOAD) waits for a token from COMPUTE "
        "that no instruction can give before it starts."
    )


def test_token_counters_stay_within_eight_bits() -> None:
    many = [load(1, signal=COMPUTE)] * 255
    check_order(chip(), many)
    message = (
        "The tokens from LOAD to COMPUTE can pass 255 when instruction 255 (LOAD) retires; "
        "COMPUTE must take some of them earlier."
    )
    assert refused([*many, load(1, signal=COMPUTE)]) == message
    # Taken in turn, but a queue of 64 lets the loads run at most that far ahead.
    check_order(chip(), [entry for _ in range(400) for entry in (load(1, signal=COMPUTE), conv(2, 3, 4, wait=LOAD))])


def starts_without(entries: list[Instruction], held: int) -> set[int]:
    """Which instructions start on a chip where instruction `held` never retires: the naive judge of what is ordered."""
    queues = {queue: [i for i, e in enumerate(entries) if e.operation.queue is queue] for queue in Queue}
    counters = {(a, b): 0 for a in Queue for b in Queue}
    started: set[int] = set()
    retired: set[int] = set()
    moved = True
    while moved:
        moved = False
        for queue, members in queues.items():
            for index in members:
                entry = entries[index]
                sources = [other for other in Queue if entry.integer("wait") >> other & 1]
                if index not in started:
                    if any(counters[source, queue] == 0 for source in sources):
                        break
                    for source in sources:
                        counters[source, queue] -= 1
                    started.add(index)
                    moved = True
            for index in members:
                if index not in started or index == held:
                    break
                if index not in retired:
                    retired.add(index)
                    moved = True
                    for target in Queue:
                        counters[queue, target] += entries[index].integer("signal") >> target & 1
    return started


def random_program(generator: np.random.Generator) -> list[Instruction]:
    """Transfers of single banks and computations on three, with tokens that never make it wait for ever."""
    given = {(a, b): 0 for a in Queue for b in Queue}
    entries = []
    for _ in range(int(generator.integers(3, 12))):
        kind = [Queue.LOAD, Queue.COMPUTE, Queue.STORE][generator.integers(3)]
        others = [queue for queue in (Queue.LOAD, Queue.COMPUTE, Queue.STORE) if queue is not kind]
        wait = signal = 0
        for other in others:
            if given[other, kind] and generator.random() < 0.7:
                given[other, kind] -= 1
                wait |= 1 << other
            if generator.random() < 0.7:
                given[kind, other] += 1
                signal |= 1 << other
        bank = int(generator.integers(3))
        if kind is Queue.COMPUTE:
            entries.append(conv(4 + bank, 8, 12, wait=wait, signal=signal))
        else:
            entries.append((load if kind is Queue.LOAD else store)(4 + bank, wait=wait, signal=signal))
    return entries


def test_random_programs_are_judged_as_by_holding_instructions_back() -> None:
    generator = np.random.default_rng(3)
    verdicts = {True: 0, False: 0}
    for _ in range(600):
        entries = random_program(generator)
        bank_of = [e.integer("in_address" if e.operation.name == "CONV" else "address") for e in entries]
        unordered = {
            (earlier, later)
            for earlier in range(len(entries))
            for later in starts_without(entries, earlier)
            if later > earlier
            and bank_of[earlier] == bank_of[later]
            and entries[earlier].operation.queue is not entries[later].operation.queue
        }
        verdicts[bool(unordered)] += 1
        if not unordered:
            check_order(chip(), entries)
            continue
        numbers = [int(entry) for entry in re.findall(r"nstruction (\d+)", refused(entries))]
        assert (numbers[1], numbers[0]) in unordered
    assert min(verdicts.values()) > 100


def test_a_program_compiled_by_hand_is_in_order_and_needs_each_token() -> None:
    entries = [
        load(0),
        load(1, signal=COMPUTE),
        conv(1, 0, 2, wait=LOAD),
        conv(2, 0, 3, serial=1, signal=STORE),
        store(3, wait=COMPUTE),
    ]
    check_order(chip(), entries)
    for index, field in ((1, "signal"), (2, "wait"), (3, "serial"), (3, "signal"), (4, "wait")):
        changed = list(entries)
        changed[index] = replace(entries[index], values={**entries[index].values, field: 0})
        refused(changed)


def test_spans_meet_exactly_where_a_byte_is_shared() -> None:
    generator = np.random.default_rng(5)

    def transfer() -> Instruction:
        pick = lambda high: int(generator.integers(1, high))  # noqa: E731
        return load(
            0, offset=pick(60), row_bytes=pick(9), rows=pick(4), planes=pick(4), row_stride=pick(30),
            plane_stride=pick(60),
        )  # fmt: skip

    def touched(entry: Instruction) -> set[int]:
        v = entry.integer
        return {
            v("offset") + plane * v("plane_stride") + row * v("row_stride") + byte
            for plane in range(v("planes"))
            for row in range(v("rows"))
            for byte in range(v("row_bytes"))
        }

    met = 0
    for _ in range(300):
        a, b = transfer(), transfer()
        shared = bool(touched(a) & touched(b))
        met += shared
        assert spans_meet(dram_spans(a)[0], dram_spans(b)[0]) == shared
    assert 50 < met < 250


def test_the_words_of_activations_are_those_that_the_feeder_reads() -> None:
    generator = np.random.default_rng(9)
    for _ in range(100):
        pick = lambda low, high: int(generator.integers(low, high + 1))  # noqa: E731
        counts = {
            name: pick(1, 4)
            for name in ("out_height", "out_width", "window_height", "window_width", "passes_y", "passes_x", "chunks")
        }
        steps = {
            f"{name}_{axis}{suffix}": pick(0, 9)
            for name in ("position", "tap", "pass")
            for axis in "yx"
            for suffix in ("", "_words")
        }
        entry = instruction(
            "DEPTHWISE", **counts, **steps, slide=counts["window_width"], tile=pick(1, 8), groups=pick(1, 3),
            group_in_words=pick(0, 5), in_address=pick(0, 65535), in_height=pick(0, 9), in_width=pick(0, 9),
            start_y=pick(-5, 3), start_x=pick(-5, 3),
        )  # fmt: skip
        reads = activation_reads(entry)
        between = steps_between_reads(entry).ravel()
        expected = {int(word + step) & 0xFFFF for word in reads.address[reads.inside] for step in between}
        assert set(activation_words(entry).tolist()) == expected
        around = replaced(entry, in_ring_start=100, in_ring_words=pick(300, 400), in_address=pick(100, 399))
        reads = activation_reads(around)
        sums = (reads.address[reads.inside][:, None] + between).ravel()
        assert set(activation_words(around).tolist()) == set(reduced_reads(around, sums).tolist())


def depthwise(rows: list[int], words: int, **fields: int) -> Instruction:
    """A window of 3 rows over an image of 1 word a row, with rows `words` apart in a ring that begins at bank 4."""
    ring = {"in_ring_start": 4 * BANK, "in_ring_words": words * len(rows), "in_address": 4 * BANK}
    ones = ("window_width", "slide", "passes_y", "passes_x", "chunks", "groups", "group_words", "last_group_words")
    values = dict.fromkeys((*ones, "tile", "in_width", "out_width", "position_y", "tap_y"), 1) | {
        "window_height": 3, "in_height": 9, "out_height": 7, "position_y_words": words, "tap_y_words": words,
        "out_row_words": 1, "weight_address": 0, "out_address": BANK, "maximum": 127, "taps_at_once": 3,
    }  # fmt: skip
    return instruction("DEPTHWISE", **{**values, **ring, **fields})


def test_taps_at_once_lie_in_different_banks() -> None:
    size = {"rows": 16, "columns": 16, "scratchpad_bytes": 16 * BANK * 16}
    three = chip().model_copy(update={"activation_ports": 3, **size})
    allowed = "but taps that are read at once must lie in different banks."
    check_order(three, [depthwise([0, 1, 2, 3], BANK + 1)])
    check_order(three, [depthwise([0, 1, 2], BANK)])
    check_order(three, [depthwise([0, 1], BANK, taps_at_once=2, window_height=2)])
    problem = refused([depthwise([0, 1], BANK)], three)
    assert problem == f"Instruction 0 (DEPTHWISE) reads taps 0 and 2 of a window column in scratchpad bank 4, {allowed}"
    problem = refused([depthwise([0, 1, 2, 3], 200, taps_at_once=2)], three)
    assert problem == f"Instruction 0 (DEPTHWISE) reads taps 0 and 1 of a window column in scratchpad bank 4, {allowed}"
