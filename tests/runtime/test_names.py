"""Names of devices, in every form that is understood, and what is said of the others."""

import pytest

from lithify.errors import LithifyError
from lithify.runtime.names import ASIC_VARIABLE, one, parse


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("sim", ["sim:0"]),
        ("functional", ["sim:0"]),
        ("sim:3", ["sim:3"]),
        ("sim:0-3", ["sim:0", "sim:1", "sim:2", "sim:3"]),
        ("sim:0,2-3,rtl", ["sim:0", "sim:2", "sim:3", "rtl:0"]),
        (["sim:1", "timing"], ["sim:1", "timing:0"]),
        ("fpga:/dev/ttyUSB0", ["fpga:/dev/ttyUSB0"]),
        ("fpga:/dev/ttyUSB0@115200,fpga:COM3", ["fpga:/dev/ttyUSB0@115200", "fpga:COM3"]),
        ("fpga:socket://host:5000", ["fpga:socket://host:5000"]),
        ("asic:0", ["sim:0"]),
        ("asic", ["sim:0"]),
        ("/device:ASIC:2", ["sim:2"]),
        ("/device:X1", ["sim:1"]),
        ("/job:localhost/replica:0/task:0/device:ASIC:0", ["sim:0"]),
        ("X0", ["sim:0"]),
    ],
)
def test_every_form(given: object, meant: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ASIC_VARIABLE, raising=False)
    assert [str(name) for name in parse(given)] == meant


def test_what_an_asic_is_can_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ASIC_VARIABLE, "fpga:/dev/ttyUSB0,rtl")
    assert [str(name) for name in parse(["/device:ASIC:0", "asic:1"])] == ["fpga:/dev/ttyUSB0", "rtl:0"]
    with pytest.raises(LithifyError, match=r"'asic:2' is not there: LITHIFY_ASIC lists 2 \(fpga:/dev/ttyUSB0, rtl:0\)"):
        parse("asic:2")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("gpu", "Unknown device 'gpu'; the devices are 'sim', 'timing', 'rtl', several as in 'sim:0-3'"),
        ("cuda:0", "Unknown device 'cuda:0'"),
        ("sim:", "Unknown device 'sim:'"),
        ("sim:a", "Unknown device 'sim:a'"),
        ("sim:3-1", "do not count upwards"),
        ("sim:0-99999", "at most 1023"),
        ("sim:0,0", "'sim:0' was named twice"),
        ([], "Unknown device"),
    ],
)
def test_what_is_none(given: object, message: str) -> None:
    with pytest.raises(LithifyError, match=message):
        parse(given)


def test_one_where_one_is_wanted() -> None:
    assert one("sim:2").number == 2
    with pytest.raises(LithifyError, match="'sim:0-1' names 2 devices, and one was wanted"):
        one("sim:0-1")
