"""What a chip executes: the instruction table, its encoding, the registers and the program file."""

from lithify.isa.encoding import Instruction, decode, encode, instruction
from lithify.isa.operations import BY_NAME, GRANULE_BYTES, ISA_VERSION, OPERATIONS, Field, Operation, Queue

__all__ = [
    "BY_NAME",
    "GRANULE_BYTES",
    "ISA_VERSION",
    "OPERATIONS",
    "Field",
    "Instruction",
    "Operation",
    "Queue",
    "decode",
    "encode",
    "instruction",
]
