"""The memory model of the RTL simulation against its rule written out naively, cycle by cycle."""

import math
from collections import deque
from typing import Any

import numpy as np
import pytest
from amaranth.hdl import Const, Module, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lithify.errors import LithifyError
from lithify.rtl.axi import AXI4, AXI4Lite
from lithify.rtl.netlist import modules
from lithify.rtl.simulation import Build, Session, build

BUS_BYTES = 8
READS = ((0x000, 4), (0x100, 1), (0x200, 16), (0x300, 3))
WRITES = ((0x1000, 2), (0x1100, 16), (0x1200, 1))


class Probe(wiring.Component):
    """Asks for all its bursts at once; pulses ``retire`` bit 0 for a read beat, 1 for a write beat, 2 for a response.

    Writing register 8 starts it; the interrupt rises after register 4 many cycles. Register 0 sums the words read.
    """

    module_name = "probe"
    m_axi: Out(AXI4(BUS_BYTES))
    s_axi: In(AXI4Lite())
    irq: Out(1)
    retire: Out(5)
    result_valid: Out(1)
    result_address: Out(16)
    result_data: Out(64)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        bus, host = self.m_axi, self.s_axi
        started, left, total = Signal(), Signal(32, init=1000), Signal(32)
        for name, bursts, ready in (("ar", READS, bus.arready), ("aw", WRITES, bus.awready)):
            index = Signal(range(len(bursts) + 1))
            with m.Switch(index):
                for number, (address, beats) in enumerate(bursts):
                    with m.Case(number):
                        m.d.comb += getattr(bus, f"{name}addr").eq(address)
                        m.d.comb += getattr(bus, f"{name}len").eq(beats - 1)
                        m.d.comb += getattr(bus, f"{name}valid").eq(started)
            m.d.comb += [getattr(bus, f"{name}size").eq(3), getattr(bus, f"{name}burst").eq(1)]
            with m.If(getattr(bus, f"{name}valid") & ready):
                m.d.sync += index.eq(index + 1)
        lasts = [last == beats - 1 for _, beats in WRITES for last in range(beats)]
        beat = Signal(range(len(lasts) + 1))
        m.d.comb += [
            bus.wvalid.eq(started & (beat < len(lasts))),
            bus.wdata.eq(beat + Const(0x1122334455667700, unsigned(64))),
            bus.wstrb.eq(~(1 << beat[:3])),
            bus.wlast.eq(sum(last << place for place, last in enumerate(lasts)) >> beat),
            bus.rready.eq(1),
            bus.bready.eq(1),
            self.retire.eq(bus.rvalid | (bus.wvalid & bus.wready) << 1 | bus.bvalid << 2),
        ]
        with m.If(bus.wready & bus.wvalid):
            m.d.sync += beat.eq(beat + 1)
        with m.If(bus.rvalid):
            m.d.sync += total.eq(total + bus.rdata[:32])
        m.d.comb += [
            host.awready.eq(host.awvalid & host.wvalid & ~host.bvalid),
            host.wready.eq(host.awready),
            host.arready.eq(~host.rvalid),
            self.irq.eq(left == 0),
        ]
        with m.If(host.bready):
            m.d.sync += host.bvalid.eq(0)
        with m.If(host.wready):
            m.d.sync += host.bvalid.eq(1)
            with m.Switch(host.awaddr):
                with m.Case(8):
                    m.d.sync += started.eq(host.wdata[0])
                with m.Case(4):
                    m.d.sync += left.eq(host.wdata)
        with m.Elif(started & (left != 0)):
            m.d.sync += left.eq(left - 1)
        with m.If(host.rready):
            m.d.sync += host.rvalid.eq(0)
        with m.If(host.arvalid & host.arready):
            m.d.sync += [host.rvalid.eq(1), host.rdata.eq(total)]
        return m


def expected_trace(bytes_per_cycle: int, latency: int, cycles: int) -> list[tuple[int, int]]:
    """The rule of docs/architecture.md, section 1, with every address asked for from cycle 0."""
    reads, writes = deque(READS), deque(WRITES)
    queue: deque[list[int]] = deque()  # write, beats left, first cycle
    tokens, response, trace = 2 * BUS_BYTES, -1, []
    for now in range(cycles):
        tokens = min(2 * BUS_BYTES, tokens + bytes_per_cycle)
        events = [2] if response == now else []
        if queue and queue[0][2] <= now and tokens >= BUS_BYTES:
            write, _, _ = queue[0]
            tokens -= BUS_BYTES
            queue[0][1] -= 1
            if queue[0][1] == 0:
                queue.popleft()
                response = now + 1 if write else response
            events.insert(0, write)
        trace += [(event, now) for event in events]
        if reads:
            queue.append([0, reads.popleft()[1], now + latency])
        elif writes:
            queue.append([1, writes.popleft()[1], now + latency])
    return trace


@pytest.fixture(scope="module")
def probe() -> Build:
    return build(modules(Probe()), "probe")


@pytest.mark.parametrize("bytes_per_cycle", [1, 3, 4, 5, 7, 8])
@pytest.mark.parametrize("latency", [1, 7, 100])
def test_every_beat_moves_in_the_cycle_of_the_rule(probe: Build, bytes_per_cycle: int, latency: int) -> None:
    dram = np.random.default_rng(1).integers(0, 256, 8192, np.uint8)
    before = dram.copy()
    with Session(probe.library, dram, bytes_per_cycle=bytes_per_cycle, latency=latency) as chip:
        start = chip.write(8, 1) + 1
        chip.run(cycle_limit=2000)
        queue, cycle = chip.trace()
        counters = chip.counters()
        total = chip.read(0)
    assert list(zip(queue.tolist(), (cycle - start).tolist(), strict=True)) == expected_trace(
        bytes_per_cycle, latency, 999
    )
    assert counters.bytes_read == BUS_BYTES * sum(beats for _, beats in READS)
    assert counters.bytes_written == BUS_BYTES * sum(beats for _, beats in WRITES)

    words = before.view("<u8")
    assert total == sum(int(words[a // 8 + i]) for a, beats in READS for i in range(beats)) % (1 << 32)
    number = 0
    for address, beats in WRITES:
        for beat in range(beats):
            word = (0x1122334455667700 + number).to_bytes(8, "little")
            for byte in range(8):
                if byte != number % 8:
                    before[address + 8 * beat + byte] = word[byte]
            number += 1
    assert np.array_equal(dram, before)


def test_a_burst_outside_the_image_is_an_error(probe: Build) -> None:
    with Session(probe.library, np.zeros(4096, np.uint8), bytes_per_cycle=8) as chip:
        chip.write(8, 1)
        with pytest.raises(LithifyError) as error:
            chip.run(cycle_limit=2000)
    assert str(error.value) == (
        "The simulated chip broke the memory bus in cycle 5: "
        "a burst at address 0x1000 lies outside the DRAM image of 4096 bytes."
    )


def test_a_limit_of_cycles_is_an_error(probe: Build) -> None:
    with Session(probe.library, np.zeros(8192, np.uint8), bytes_per_cycle=8) as chip:
        with pytest.raises(LithifyError) as error:
            chip.run(cycle_limit=500)
    assert str(error.value) == "The simulated chip had not finished after the limit of 500 cycles."


def test_the_image_must_be_bytes(probe: Build) -> None:
    with pytest.raises(LithifyError) as error:
        Session(probe.library, np.zeros(8192, np.int8), bytes_per_cycle=8)  # type: ignore[arg-type]
    assert str(error.value) == (
        "The DRAM image is an array of int8 with shape (8192,); "
        "give a writeable one-dimensional contiguous uint8 array."
    )


def test_the_second_build_comes_from_the_cache(probe: Build) -> None:
    again = build(modules(Probe()), "probe")
    assert again.cached and again.library == probe.library and again.build_seconds == 0.0
    assert math.isfinite(probe.build_seconds)
