"""A device by its name."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lithify.chip import Chip
from lithify.runtime.device import Device, FunctionalDevice, TimingDevice
from lithify.runtime.names import DeviceName, one


def open_device(
    name: DeviceName, chip: Chip, *, limit: float = 60.0, note: Callable[[str], None] | None = None
) -> tuple[Device, Callable[[], None]]:
    """The device, and what gives it back. limit: seconds that a request may take on a chip behind a driver; `note`
    hears what takes long.

    Raises LithifyError where a tool is missing and where a board does not answer.
    """
    if name.kind == "sim":
        return FunctionalDevice(record=False), _nothing
    if name.kind == "timing":
        return TimingDevice(), _nothing
    if name.kind == "rtl":
        from lithify.runtime.driven import DrivenDevice
        from lithify.runtime.driver import Driver
        from lithify.runtime.rtl_bus import RtlBus

        device = DrivenDevice(Driver(RtlBus.of(chip, note), limit), "rtl")
        return device, device.close
    from lithify.runtime.fpga import FpgaDevice

    board = FpgaDevice.open(str(name), limit=limit)
    return board, board.close


@contextmanager
def opened(device: object, chip: Chip, note: Callable[[str], None] | None = None) -> Iterator[Device]:
    """One device, in any of its names' forms, for as long as it is used. Errors as of `names.one` and `open_device`."""
    made, close = open_device(one(device), chip, note=note)
    try:
        yield made
    finally:
        close()


def _nothing() -> None: ...
