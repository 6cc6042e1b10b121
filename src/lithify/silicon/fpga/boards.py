"""The boards: their pins and parts as `amaranth-boards` has them, and where the link goes."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from lithify.errors import LithifyError
from lithify.rtl.link.sdram import Sdram
from lithify.silicon.fpga.parts import PARTS, Part
from lithify.silicon.fpga.sdram import JOINED, MEMORIES, PINS, PORT_OF, PORTS


@dataclass(frozen=True)
class Pin:
    """A pin of a board. site: of the package; inverted: low means 1; attributes: of its buffer."""

    site: str
    inverted: bool
    attributes: Mapping[str, str]


@dataclass(frozen=True)
class Row:
    """One row of the table of boards. platform: module and class in `amaranth_boards`; uart: the pins of a header for
    the link, None where the board has a resource of that name; lights: resources that show that a program runs and that
    the link is at work; loader: the board's name in openFPGALoader; size: the end of its device's name; dram: its
    resource that is DRAM.
    """

    name: str
    platform: str
    title: str
    size: str
    uart: tuple[str, str] | None
    lights: tuple[tuple[str, int, str | None], ...]
    loader: str
    note: str
    dram: str


USB = "The link is the board's USB port."
LEDS = (("led", 0, None), ("led", 1, None))
COLOURS = (("rgb_led", 0, "g"), ("rgb_led", 0, "b"))
ADAPTER = "The link is at the pins 0 (in) and 1 (out) of the header, for a serial adapter of 3.3 V."

BOARDS: tuple[Row, ...] = (
    Row("ulx3s-85", "ulx3s.ULX3S_85F_Platform", "ULX3S", "85F", None, LEDS, "ulx3s", USB, "sdram"),
    Row("ulx3s-45", "ulx3s.ULX3S_45F_Platform", "ULX3S", "45F", None, LEDS, "ulx3s", USB, "sdram"),
    Row("ulx3s-25", "ulx3s.ULX3S_25F_Platform", "ULX3S", "25F", None, LEDS, "ulx3s", USB, "sdram"),
    Row("ecpix5-85", "ecpix5.ECPIX585Platform", "ECPIX-5", "85F", None, COLOURS, "ecpix5",
        "The link is the board's debug port.", "ddr3"),
    Row("ecpix5-45", "ecpix5.ECPIX545Platform", "ECPIX-5", "45F", None, COLOURS, "ecpix5",
        "The link is the board's debug port.", "ddr3"),
    Row("orangecrab-25", "orangecrab_r0_2.OrangeCrabR0_2_25FPlatform", "OrangeCrab r0.2", "25F", ("0", "1"), COLOURS,
        "orangeCrab", ADAPTER, "ddr3"),
    Row("orangecrab-85", "orangecrab_r0_2.OrangeCrabR0_2_85FPlatform", "OrangeCrab r0.2", "85F", ("0", "1"), COLOURS,
        "orangeCrab", ADAPTER, "ddr3"),
)  # fmt: skip


@dataclass(frozen=True)
class Board:
    """A board whose pins are known. device, package: words of nextpnr that name the part; speed: its grade;
    oscillator_hz: of the clock at pin `clock`; lights: what shows `running` and `linked`; dram: what DRAM is on it, a
    name of `MEMORIES`; sdram_pins: of an SDRAM, by the ports of `lithify_board`.
    """

    name: str
    title: str
    part: Part
    device: str
    package: str
    speed: str
    oscillator_hz: int
    clock: Pin
    rx: Pin
    tx: Pin
    lights: tuple[Pin, Pin]
    loader: str
    note: str
    dram: str
    sdram_pins: Mapping[str, Pin]

    @property
    def sdram(self) -> Sdram:
        """The SDRAM; raises LithifyError where the DRAM of the board is of another kind."""
        found = MEMORIES[self.dram]
        if found is None:
            able = ", ".join(row.name for row in BOARDS if MEMORIES[row.dram])
            raise LithifyError(
                f"The DRAM of {self.name} is {self.dram.upper()}, for which Lithify has no controller; leave --memory "
                f"sdram out, and block RAM is the memory, or take a board with SDRAM: {able}."
            )
        return found


def board_named(name: str) -> Board:
    """The board of a name in BOARDS.

    Raises LithifyError for another name, and where `amaranth-boards` is missing.
    """
    rows = {row.name: row for row in BOARDS}
    if name not in rows:
        raise LithifyError(f"There is no board '{name}'; the boards are: {', '.join(rows)}.")
    row = rows[name]
    module, _, kind = row.platform.rpartition(".")
    try:
        platform = getattr(import_module(f"amaranth_boards.{module}"), kind)
    except ModuleNotFoundError as error:
        raise LithifyError(
            "Boards come from amaranth-boards, which is not installed; run `pip install 'lithify[fpga]'`."
        ) from error
    clock = _resource(platform, platform.default_clk, 0)
    if row.uart is None:
        rx, tx = (_pin(_resource(platform, "uart", 0), signal) for signal in ("rx", "tx"))
    else:
        header = {entry.name: entry for entry in platform.connectors}["io"].mapping
        rx, tx = (Pin(header[label], False, {"IO_TYPE": "LVCMOS33"}) for label in row.uart)
    running, linked = (_pin(_resource(platform, *light[:2]), light[2]) for light in row.lights)
    return Board(
        name,
        row.title,
        PARTS[row.size],
        platform._nextpnr_device_options[platform.device],
        platform._nextpnr_package_options[platform.package].upper(),
        platform.speed,
        round(clock.clock.frequency),
        _pin(clock, None),
        rx,
        tx,
        (running, linked),
        row.loader,
        row.note,
        row.dram,
        _sdram_pins(_resource(platform, row.dram, 0)) if MEMORIES[row.dram] else {},
    )


def _resource(platform: Any, name: str, number: int) -> Any:
    return next(entry for entry in platform.resources if (entry.name, entry.number) == (name, number))


def _pin(resource: Any, signal: str | None) -> Pin:
    """The pin of a resource, or of one of its signals; attributes of the whole hold for all."""
    attributes = dict(resource.attrs)
    ios = resource.ios
    if signal is not None:
        (inner,) = (entry for entry in ios if getattr(entry, "name", None) == signal)
        attributes, ios = attributes | dict(inner.attrs), inner.ios
    (pins,) = ios
    return Pin(pins.names[0], bool(pins.invert), attributes)


def _sdram_pins(resource: Any) -> dict[str, Pin]:
    """The pins of an SDRAM, by ports; of more than one pin each bit is one."""
    pins = {}
    for entry in resource.ios:
        (io,) = entry.ios
        port, attributes = f"sdram_{PORT_OF[entry.name]}", dict(resource.attrs) | dict(entry.attrs)
        for index, site in enumerate(io.names):
            pins[port if len(io.names) == 1 else f"{port}[{index}]"] = Pin(site, bool(io.invert), attributes)
    return pins


def constraints(board: Board, pressed: float = 1.0, *, sdram: bool = False) -> str:
    """nextpnr's constraints (LPF): where each port of `lithify_board` is, and the oscillator's frequency, from which
    nextpnr derives that behind the PLL; ``pressed``: so many times as fast as it is. sdram: whether the system has it.
    """
    ports = {"clk": board.clock, "rx": board.rx, "tx": board.tx, "running": board.lights[0], "linked": board.lights[1]}
    if sdram:
        ports |= board.sdram_pins
    lines = []
    for port, pin in ports.items():
        lines.append(f'LOCATE COMP "{port}" SITE "{pin.site}";')
        lines += [f'IOBUF PORT "{port}" {key}={value};' for key, value in pin.attributes.items()]
    lines.append(f'FREQUENCY PORT "clk" {round(board.oscillator_hz * pressed)} HZ;')
    return "\n".join(lines) + "\n"


WRAPPER = """\
// Written by Lithify. Do not edit.
module lithify_board (input clk, input rx, output tx, output running, output linked{ports});
  wire clock, locked, runs, links;
  lithify_clock pll (.clkin(clk), .clkout0(clock), .locked(locked));
  lithify_system system (.clk(clock), .locked(locked), .rx(rx), .tx(tx), .running(runs), .linked(links){joined});
  assign running = {running}runs;
  assign linked = {linked}links;
{pins}endmodule
"""


def wrapper(board: Board, *, sdram: bool = False) -> str:
    """The Verilog of `lithify_board`: the system behind the board's oscillator and a PLL, `lithify_clock`; sdram:
    whether the system has one.
    """
    running, linked = ("~" if pin.inverted else "" for pin in board.lights)
    ports, joined, pins = (PORTS, JOINED, PINS) if sdram else ("", "", "")
    return WRAPPER.format(running=running, linked=linked, ports=ports, joined=joined, pins=pins)
