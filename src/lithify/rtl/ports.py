"""The ports between the chip's units: what the system side and the units agree on.

Every output of a unit comes from a register or from a short gate network behind one; between units there is nothing
but wires, the selection of a bank and token counters.
"""

from amaranth.lib.wiring import In, Out, Signature

from lithify.chip import Chip
from lithify.isa import BY_NAME
from lithify.rtl.instruction import layout

SCRATCHPAD_ADDRESS_BITS = 16
"""Bits of a scratchpad word address."""


def weight_ports(chip: Chip) -> tuple[str, ...]:
    """Names of the ports through which weights are read."""
    return ("weights", *(f"weights_{number}" for number in range(1, chip.weight_ports)))


def activation_ports(chip: Chip) -> tuple[str, ...]:
    """Names of the ports through which activations are read: one for each tap of a window that is read at once."""
    return ("activations", *(f"activations_{number}" for number in range(1, chip.activation_ports)))


class ScratchpadRead(Signature):
    """A reading port of the scratchpad, seen from the unit.

    An address with ``enable`` in cycle c gives ``data`` in cycle c+2, for one cycle: the unit registers it at its end.
    Throughput: one word a cycle.
    """

    def __init__(self, chip: Chip) -> None:
        super().__init__({"enable": Out(1), "address": Out(SCRATCHPAD_ADDRESS_BITS), "data": In(8 * chip.word_bytes)})


class ScratchpadWrite(Signature):
    """A writing port of the scratchpad, seen from the unit: whole words; a read from cycle c+1 on sees the word."""

    def __init__(self, chip: Chip) -> None:
        super().__init__({"enable": Out(1), "address": Out(SCRATCHPAD_ADDRESS_BITS), "data": Out(8 * chip.word_bytes)})


class InstructionPort(Signature):
    """The head of an instruction queue, seen from the queue; the unit has it as ``In(InstructionPort("CONV"))``.

    ``valid``: an instruction is there with all its tokens. It starts in the cycle in which ``ready``, which must not
    depend on ``valid``, is high too; ``fields`` is the layout of the operation (the operations of one queue share it),
    with what ``chip`` alone has of it.
    """

    def __init__(self, operation: str, chip: Chip | None = None) -> None:
        super().__init__({"valid": Out(1), "ready": In(1), "fields": Out(layout(BY_NAME[operation], chip))})


class Retirement(Signature):
    """The end of an instruction, seen from the unit: ``retire`` pulses in that cycle and ``signal`` is its mask."""

    def __init__(self) -> None:
        super().__init__({"retire": Out(1), "signal": Out(4)})


class ComputePorts(Signature):
    """The ports of the compute unit (``rtl/compute``), seen from the unit, which has them directly as its own ports.

    ``array_active`` is high in a cycle in which the array takes a word or a window (counter ARRAY_CYCLES). The words of
    ``results`` are also the result trace of the chip.
    """

    def __init__(self, chip: Chip) -> None:
        super().__init__(
            {
                "instruction": In(InstructionPort("CONV", chip)),
                "retirement": Out(Retirement()),
                **{name: Out(ScratchpadRead(chip)) for name in activation_ports(chip)},
                **{name: Out(ScratchpadRead(chip)) for name in weight_ports(chip)},
                "residual": Out(ScratchpadRead(chip)),
                "results": Out(ScratchpadWrite(chip)),
                "array_active": Out(1),
            }
        )
