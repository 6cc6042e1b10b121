"""The checksum of the host link, against its definition bit by bit."""

from amaranth.hdl import Assert, Module, Mux, Signal

from lithify.isa.link import CRC_INITIAL, CRC_POLYNOMIAL
from lithify.rtl.link.bridge import CHECKSUM
from lithify.rtl.proofs.contract import contract, free


def checksum() -> Module:
    """A byte a cycle gives what eight steps of the polynomial's shift register give."""
    m = contract()
    m.submodules.proven = block = CHECKSUM(data_width=8).create()
    free(m, block.start, block.data, block.valid)
    register = Signal(16, init=CRC_INITIAL)
    value = Mux(block.start, CRC_INITIAL, register)
    for bit in reversed(range(8)):
        out = value[15] ^ block.data[bit]
        value = (value << 1)[:16] ^ Mux(out, CRC_POLYNOMIAL, 0)
    with m.If(block.valid):
        m.d.sync += register.eq(value)
    with m.Elif(block.start):
        m.d.sync += register.eq(CRC_INITIAL)
    m.d.comb += Assert(block.crc == register)
    return m
