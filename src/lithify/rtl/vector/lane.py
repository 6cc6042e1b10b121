"""A float32 lane: a product, then a second operation on it and a third number; each rounded, one of both a cycle."""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lithify.rtl.compute.stages import delayed
from lithify.rtl.vector.add import Add
from lithify.rtl.vector.multiply import Multiply


class FloatLane(wiring.Component):
    """``result`` = second(f32(a * b), c), ``LATENCY`` cycles after its operands; with ``scale``, a * 2^rint(b).

    ``operation``: a ``Second`` of ``add.py``, the product being its a. A product alone is added to -0, a number alone
    multiplied by 1: both exact.
    """

    LATENCY = Multiply.LATENCY + Add.LATENCY

    module_name = "lithify_float_lane"

    def __init__(self) -> None:
        super().__init__(
            {"a": In(32), "b": In(32), "c": In(32), "scale": In(1), "operation": In(4), "mask": In(1),
             "result": Out(32)}
        )  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.multiply = multiply = Multiply()
        m.submodules.add = add = Add()
        m.d.comb += [
            multiply.a.eq(self.a),
            multiply.b.eq(self.b),
            multiply.scale.eq(self.scale),
            add.a.eq(multiply.result),
            *(
                getattr(add, port).eq(delayed(m, getattr(self, name), Multiply.LATENCY, name)[-1])
                for port, name in (("b", "c"), ("operation", "operation"), ("mask", "mask"))
            ),
            self.result.eq(add.result),
        ]
        return m
