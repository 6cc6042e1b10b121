"""The control registers against the register table, over AXI4-Lite."""

from amaranth.sim import Simulator

from lithify.isa import ISA_VERSION
from lithify.isa.registers import BY_NAME, DEVICE_ID, REGISTERS
from lithify.rtl.control import Control


def simulate(bench) -> None:  # type: ignore[no-untyped-def]
    unit = Control()

    async def write(ctx, name: str, value: int) -> None:  # type: ignore[no-untyped-def]
        bus = unit.bus
        ctx.set(bus.awaddr, BY_NAME[name].offset)
        ctx.set(bus.wdata, value)
        ctx.set(bus.awvalid, 1)
        ctx.set(bus.bready, 1)
        assert not ctx.get(bus.awready)  # not before the data
        ctx.set(bus.wvalid, 1)
        assert ctx.get(bus.awready) and ctx.get(bus.wready)
        await ctx.tick()
        ctx.set(bus.awvalid, 0)
        ctx.set(bus.wvalid, 0)
        assert ctx.get(bus.bvalid) and ctx.get(bus.bresp) == 0
        await ctx.tick()
        assert not ctx.get(bus.bvalid)

    async def read(ctx, name: str) -> int:  # type: ignore[no-untyped-def]
        bus = unit.bus
        ctx.set(bus.araddr, BY_NAME[name].offset)
        ctx.set(bus.arvalid, 1)
        assert ctx.get(bus.arready)
        await ctx.tick()
        ctx.set(bus.arvalid, 0)
        await ctx.tick().repeat(2)  # the answer stays until it is taken
        assert ctx.get(bus.rvalid) and not ctx.get(bus.arready)
        value = ctx.get(bus.rdata)
        ctx.set(bus.rready, 1)
        await ctx.tick()
        ctx.set(bus.rready, 0)
        return int(value)

    async def process(ctx) -> None:  # type: ignore[no-untyped-def]
        await bench(ctx, unit, write, read)

    simulator = Simulator(unit)
    simulator.add_clock(1e-8)
    simulator.add_testbench(process)
    simulator.run()


def test_every_register_keeps_what_its_row_says() -> None:
    async def bench(ctx, unit, write, read) -> None:  # type: ignore[no-untyped-def]
        values = {entry.name: 0x9E3779B9 * (index + 1) % (1 << 32) for index, entry in enumerate(REGISTERS)}
        for entry in REGISTERS:
            if entry.name != "CONTROL":
                await write(ctx, entry.name, values[entry.name])
        fixed = {"ID": DEVICE_ID, "VERSION": ISA_VERSION}
        for entry in REGISTERS:
            expected = values[entry.name] if entry.access == "rw" else fixed.get(entry.name, 0)
            assert await read(ctx, entry.name) == expected, entry.name
        for index in range(8):
            address = values[f"BASE{index}_LOW"] | (values[f"BASE{index}_HIGH"] & 0xFF) << 32
            assert ctx.get(unit.bases[index]) == address
        assert ctx.get(unit.program_bursts) == values["PROGRAM_BYTES"] // 128 % (1 << 26)

    simulate(bench)


def test_doorbell_counters_and_interrupt() -> None:
    async def bench(ctx, unit, write, read) -> None:  # type: ignore[no-untyped-def]
        ctx.set(unit.read_beat, 1)  # not counted while no program runs
        await write(ctx, "INTERRUPT_ENABLE", 1)
        for programs in range(2):
            await write(ctx, "CONTROL", 1)  # busy from the second cycle of the write on
            assert ctx.get(unit.busy) and not ctx.get(unit.interrupt)
            await ctx.tick().repeat(10)
            ctx.set(unit.write_beat, 1)
            ctx.set(unit.conflict, programs == 0)
            ctx.set(unit.ended, 1)
            await ctx.tick()
            for signal in (unit.write_beat, unit.conflict, unit.ended):
                ctx.set(signal, 0)
            assert not ctx.get(unit.busy) and ctx.get(unit.interrupt)
            counts = [
                await read(ctx, f"{name}_LOW") for name in ("CYCLES", "READ_BEATS", "WRITE_BEATS", "ARRAY_CYCLES")
            ]
            assert counts == [12, 12, 1, 0]
            assert await read(ctx, "STATUS") == (0b110 if programs == 0 else 0b010)
            assert await read(ctx, "ERROR") == (1 if programs == 0 else 0)
            await write(ctx, "CONTROL", 2)
            assert not ctx.get(unit.interrupt)

    simulate(bench)


def test_the_doorbell_is_not_heard_while_busy() -> None:
    async def bench(ctx, unit, write, read) -> None:  # type: ignore[no-untyped-def]
        await write(ctx, "CONTROL", 1)
        await ctx.tick().repeat(5)
        await write(ctx, "CONTROL", 1)
        assert await read(ctx, "CYCLES_LOW") == 9  # a register is read in the cycle after its address
        assert await read(ctx, "STATUS") == 1

    simulate(bench)
