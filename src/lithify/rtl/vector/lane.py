"""A float32 lane: a product, then a second operation on it and a third number; each rounded, one of both a cycle."""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lithify.rtl.vector.add import Add
from lithify.rtl.vector.float32 import Pipeline
from lithify.rtl.vector.multiply import Multiply


class FloatLane(wiring.Component):
    """``result`` = second(f32(a * b), c), ``LATENCY`` cycles after its operands with ``valid``; with ``scale``,
    a * 2^rint(b).

    ``operation``: a ``Second`` of ``add.py``, the product being its a. A product alone is added to -0, a number alone
    multiplied by 1: both exact.
    """

    LATENCY = Multiply.LATENCY + Add.LATENCY

    module_name = "lithify_float_lane"

    def __init__(self) -> None:
        super().__init__(
            {"a": In(32), "b": In(32), "c": In(32), "scale": In(1), "operation": In(4), "mask": In(1),
             "valid": In(1), "result": Out(32)}
        )  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.multiply = multiply = Multiply()
        m.submodules.add = add = Add()
        pipe = Pipeline(m, "beside", self.valid)
        second: list[Any] = [self.c, self.operation, self.mask]
        for _ in range(Multiply.LATENCY):
            second = pipe.registers(*zip(second, ("c", "operation", "mask"), strict=True))
        m.d.comb += [
            multiply.valid.eq(self.valid),
            multiply.a.eq(self.a),
            multiply.b.eq(self.b),
            multiply.scale.eq(self.scale),
            add.a.eq(multiply.result),
            add.valid.eq(pipe.valid),
            *(port.eq(value) for port, value in zip((add.b, add.operation, add.mask), second, strict=True)),
            self.result.eq(add.result),
        ]
        return m
