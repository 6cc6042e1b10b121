"""The chip's two buses: AXI4 to memory and AXI4-Lite from the host.

Signal names are those of the AMBA AXI specification (ARM IHI 0022), in lower case. The AXI4 port has no IDs: its
transfers are in order. Only the signals that vary are ports; a wrapper ties the rest (cache, protection, lock, QoS).
"""

from amaranth.lib.wiring import In, Out, Signature

ADDRESS_BITS = 40
"""Bits of a DRAM address."""

REGISTER_ADDRESS_BITS = 12
"""Bits of a register's byte address."""

BURST_INCREMENT = 1
"""AxBURST of a burst of increasing addresses, the only kind used."""

PAGE_BYTES = 4096
"""No burst crosses a multiple of this (a rule of AXI)."""

BURST_BEATS = 64
"""Beats of the longest burst the chip issues."""


class AXI4Read(Signature):
    """The read channels of an AXI4 port, seen from the chip."""

    def __init__(self, bus_bytes: int) -> None:
        super().__init__(
            {
                "araddr": Out(ADDRESS_BITS),
                "arlen": Out(8),
                "arsize": Out(3),
                "arburst": Out(2),
                "arvalid": Out(1),
                "arready": In(1),
                "rdata": In(8 * bus_bytes),
                "rresp": In(2),
                "rlast": In(1),
                "rvalid": In(1),
                "rready": Out(1),
            }
        )


class AXI4Write(Signature):
    """The write channels of an AXI4 port, seen from the chip."""

    def __init__(self, bus_bytes: int) -> None:
        super().__init__(
            {
                "awaddr": Out(ADDRESS_BITS),
                "awlen": Out(8),
                "awsize": Out(3),
                "awburst": Out(2),
                "awvalid": Out(1),
                "awready": In(1),
                "wdata": Out(8 * bus_bytes),
                "wstrb": Out(bus_bytes),
                "wlast": Out(1),
                "wvalid": Out(1),
                "wready": In(1),
                "bresp": In(2),
                "bvalid": In(1),
                "bready": Out(1),
            }
        )


class AXI4(Signature):
    """An AXI4 master port of ``bus_bytes`` data bytes."""

    def __init__(self, bus_bytes: int) -> None:
        super().__init__({**AXI4Read(bus_bytes).members, **AXI4Write(bus_bytes).members})


class AXI4Lite(Signature):
    """A 32-bit AXI4-Lite port, seen from the master: a slave has it as ``In(AXI4Lite())``."""

    def __init__(self) -> None:
        super().__init__(
            {
                "awaddr": Out(REGISTER_ADDRESS_BITS),
                "awvalid": Out(1),
                "awready": In(1),
                "wdata": Out(32),
                "wstrb": Out(4),
                "wvalid": Out(1),
                "wready": In(1),
                "bresp": In(2),
                "bvalid": In(1),
                "bready": Out(1),
                "araddr": Out(REGISTER_ADDRESS_BITS),
                "arvalid": Out(1),
                "arready": In(1),
                "rdata": In(32),
                "rresp": In(2),
                "rvalid": In(1),
                "rready": Out(1),
            }
        )
