"""The order of the queues: no instruction starts before what it waits for has retired."""

from amaranth.hdl import Assert, Assume, Module, Signal

from lithify.chip import load_chip
from lithify.isa import Queue
from lithify.rtl.dispatch import QUEUES, TOKEN_BITS, Dispatch
from lithify.rtl.proofs.contract import before, contract, free_inputs, opened

MOST = (1 << TOKEN_BITS) - 1
"""Tokens that may lie between two queues."""


def tokens() -> Module:
    """Between each two queues as many instructions that wait have started as instructions that signal have retired, or
    fewer; passed over counts as started and as retired.
    """
    m = contract()
    block = Dispatch(load_chip("tiny"))
    inside = opened(m, block)
    free_inputs(m, block)
    clear = before(m, block.clear, "clear")  # it takes effect a cycle later
    names = {queue: Queue(queue).name.lower() for queue in QUEUES}
    for source, giver in names.items():
        done, passed = getattr(block, f"{giver}_done"), block.passed[source]
        for target, taker in names.items():
            port, left = getattr(block, taker), Signal(TOKEN_BITS, name=f"{giver}_before_{taker}")
            gift, start = Signal(name=f"{giver}_gift_{taker}"), Signal(name=f"{taker}_starts_after_{giver}")
            m.d.comb += [
                gift.eq(
                    (done.retire & ~passed & done.signal[target]) | (passed & inside[f"{giver}_passed_signal"][target])
                ),
                start.eq(((port.valid & port.ready) | inside[f"{taker}_leave"]) & port.fields.wait[source]),
                Assume(~gift | start | (left != MOST)),
                Assert(~start | (left != 0)),
                # What makes it inductive.
                Assert(inside[f"{giver}_to_{taker}"] == left),
                Assert(inside[f"{giver}_to_{taker}_some"] == (left != 0)),
                Assert(~inside[f"{taker}_able"] | ~port.fields.wait[source] | (left != 0)),
            ]
            m.d.sync += left.eq(left + gift - start)
            with m.If(clear):
                m.d.sync += left.eq(0)
    return m
