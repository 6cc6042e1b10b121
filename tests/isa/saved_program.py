"""A small program with something in every field."""

from dataclasses import replace

import numpy as np

from lithify.chip import load_chip
from lithify.isa import encode, instruction
from lithify.isa.program import (
    Base,
    ChipSegment,
    Conversion,
    HostSegment,
    Layer,
    Placement,
    Program,
    Result,
    TensorInfo,
)
from lithify.preprocessing import Chain, Preprocessing

PREPROCESSING = Chain(
    "x",
    Preprocessing(resize=256, crop=(2, 3), mean=(0.485, 0.456, 0.406), std=(0.25,)),
    Preprocessing(resize=256, crop=(2, 3), scale=1.0),
    "The chip normalises, in the weights of 'conv'.",
)


def program() -> Program:
    instructions = encode([instruction("LOAD", row_bytes=8, rows=1, planes=1), instruction("END")]).ljust(128, b"\0")
    place = Placement("x_int8", Base.INPUTS, 0, 2, 3, 4, 8, top=1, left=2, fill=-7)
    return Program(
        name="net",
        chip=load_chip("tiny"),
        inputs=("x",),
        outputs=("y",),
        tensors={
            "x": TensorInfo("x", (1, 4, 2, 3), "float32"),
            "x_int8": TensorInfo("x_int8", (1, 4, 2, 3), "int8", float(np.float32(0.1)), -7),
            "y": TensorInfo("y", (1, 24), "float32"),
            "z": TensorInfo("z", (1, 24), "int8", float(np.float32(0.1)), -7),
        },
        segments=(
            Conversion("quantize", "Quantize", "x", "x_int8"),
            ChipSegment("chip", 0, 128, (place,), (replace(place, base=Base.OUTPUTS),)),
            HostSegment("softmax", ("Softmax", "Erf"), ("x_int8",), ("y",), b"\x00onnx\xff"),
        ),
        instructions=instructions,
        constants=bytes(range(200)),
        base_bytes={Base.CONSTANTS: 200, Base.INPUTS: 256, Base.OUTPUTS: 256, Base.WORKSPACE: 0},
        results=(Result(0, "conv", "x_int8", 0, 1, 2),),
        layers=(Layer("conv", "Conv", 0, 1, 1234),),
        aliases={"z": "x_int8"},
        fused=("w",),
        preprocessing=PREPROCESSING,
    )
