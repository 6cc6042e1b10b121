"""The table of operators: one row for everything a node of the quantised graph can be."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from lithify.errors import LithifyError
from lithify.reference.arithmetic import INT8_MAXIMUM, INT8_MINIMUM
from lithify.reference.definition import Attribute, Meaning, Operator, ShapeRule, complete
from lithify.reference.elementwise import (
    clip,
    dequantize,
    lookup,
    lookup_shapes,
    quantize,
    reshape,
    reshape_shapes,
    same_shape,
    signed,
    unsigned,
)
from lithify.reference.expressions import elementwise, expression_shapes
from lithify.reference.gather import gather, gather_shapes
from lithify.reference.graph import Node
from lithify.reference.host import host
from lithify.reference.indices import index_shapes, indices, truth
from lithify.reference.matmul import matmul, matmul_shapes
from lithify.reference.movement import (
    depth_to_space,
    depth_to_space_shapes,
    expand,
    expand_shapes,
    pad,
    pad_shapes,
    space_to_depth,
    space_to_depth_shapes,
    tile,
    tile_shapes,
    transpose,
    transpose_shapes,
)
from lithify.reference.pairs import add, mul, pair_shapes, sub
from lithify.reference.pieces import concat, concat_shapes, slice_shapes, split, split_shapes, take
from lithify.reference.pooling import (
    average_pool,
    global_average_pool,
    global_average_pool_shapes,
    max_pool,
    pool_shapes,
)
from lithify.reference.positions import (
    append,
    append_shapes,
    mask_shapes,
    position_mask,
    position_range,
    range_shapes,
)
from lithify.reference.products import conv, conv_shapes, gemm, gemm_shapes
from lithify.reference.quantized_rows import REDUCTIONS
from lithify.reference.reductions import reduce_max, reduce_mean, reduce_min, reduce_shapes, reduce_sum
from lithify.reference.resize import linear_shapes, nearest_shapes, resize_linear, resize_nearest
from lithify.reference.rows import SEARCHES, along_rows, group_norm_shapes, masked_shapes, norm_shapes, search_shapes
from lithify.reference.transposed import conv_transpose, conv_transpose_shapes

# Limits of the int8 result, from a fused Relu or Clip; they act after rounding.
_LIMITS = {
    "minimum": Attribute("int", INT8_MINIMUM, least=INT8_MINIMUM, most=INT8_MAXIMUM),
    "maximum": Attribute("int", INT8_MAXIMUM, least=INT8_MINIMUM, most=INT8_MAXIMUM),
}
_WINDOW = {
    "strides": Attribute("ints", (1, 1), length=2, least=1),
    "pads": Attribute("ints", (0, 0, 0, 0), length=4, least=0),
    "dilations": Attribute("ints", (1, 1), length=2, least=1),
}
_POOL = {"kernel_shape": Attribute("ints", length=2, least=1), **_WINDOW, "ceil_mode": Attribute("flag", 0)}

_REDUCTION = {"axes": Attribute("ints", least=0), "keepdims": Attribute("flag", 1)}
_INDICES = Attribute("ints", least=0)


def _movement(name: str, meaning: Meaning, shapes: ShapeRule, **attributes: Attribute) -> Operator:
    """An operator that moves or selects elements of any type; scale and zero point stay."""
    return Operator(name, ("any",), ("same",), meaning, shapes, attributes, same_quantization=True)


_ROWS = (
    Operator("Quantize", ("number",), ("int8",), quantize, same_shape),
    Operator("Dequantize", ("int8",), ("float32",), dequantize, same_shape),
    Operator("Signed", ("uint8",), ("int8",), signed, same_shape),
    Operator("Unsigned", ("int8",), ("uint8",), unsigned, same_shape),
    Operator("Truth", ("int8",), ("bool",), truth, same_shape),
    Operator("Indices", ("int8",), ("index",), indices, index_shapes, {"shape": Attribute("ints", least=1)}),
    Operator(
        "Conv",
        ("int8", "weights", "bias"),
        ("int8",),
        conv,
        conv_shapes,
        {**_WINDOW, "group": Attribute("int", 1, least=1), **_LIMITS},
    ),
    Operator(
        "ConvTranspose",
        ("int8", "weights", "bias"),
        ("int8",),
        conv_transpose,
        conv_transpose_shapes,
        {
            **_WINDOW,
            "output_padding": Attribute("ints", (0, 0), length=2, least=0),
            "group": Attribute("int", 1, least=1),
            **_LIMITS,
        },
    ),
    Operator("Gemm", ("int8", "weights", "bias"), ("int8",), gemm, gemm_shapes, _LIMITS),
    Operator("MatMul", ("int8", "int8"), ("int8",), matmul, matmul_shapes, _LIMITS),
    Operator("Add", ("int8", "int8"), ("int8",), add, pair_shapes, _LIMITS),
    Operator("Sub", ("int8", "int8"), ("int8",), sub, pair_shapes, _LIMITS),
    Operator("Mul", ("int8", "int8"), ("int8",), mul, pair_shapes, _LIMITS),
    Operator("MaxPool", ("int8",), ("int8",), max_pool, pool_shapes, _POOL, same_quantization=True),
    Operator(
        "AveragePool",
        ("int8",),
        ("int8",),
        average_pool,
        pool_shapes,
        {**_POOL, "count_include_pad": Attribute("flag", 0)},
    ),
    Operator("GlobalAveragePool", ("int8",), ("int8",), global_average_pool, global_average_pool_shapes),
    Operator("ReduceMean", ("int8",), ("int8",), reduce_mean, reduce_shapes, _REDUCTION),
    Operator("ReduceSum", ("int8",), ("int8",), reduce_sum, reduce_shapes, _REDUCTION),
    Operator("ReduceMax", ("int8",), ("int8",), reduce_max, reduce_shapes, _REDUCTION, same_quantization=True),
    Operator("ReduceMin", ("int8",), ("int8",), reduce_min, reduce_shapes, _REDUCTION, same_quantization=True),
    _movement("Reshape", reshape, reshape_shapes, shape=Attribute("ints", least=1)),
    _movement("Transpose", transpose, transpose_shapes, perm=Attribute("ints", least=0)),
    _movement("Expand", expand, expand_shapes, shape=Attribute("ints", least=1)),
    _movement("Tile", tile, tile_shapes, repeats=Attribute("ints", least=1)),
    _movement(
        "Slice",
        take,
        slice_shapes,
        starts=Attribute("ints"),
        ends=Attribute("ints"),
        axes=Attribute("ints", least=0),
        steps=Attribute("ints"),
    ),
    Operator(
        "Gather",
        ("any", "index"),
        ("same",),
        gather,
        gather_shapes,
        {"axis": Attribute("int", 0, least=0)},
        same_quantization=True,
    ),
    Operator("Append", ("int8", "same", "index"), ("same",), append, append_shapes, same_quantization=True),
    Operator(
        "PositionMask",
        ("index",),
        ("int8",),
        position_mask,
        mask_shapes,
        {"rows": Attribute("int", least=1), "columns": Attribute("int", least=1)},
    ),
    Operator(
        "PositionRange", ("index",), ("int64",), position_range, range_shapes, {"shape": Attribute("ints", least=1)}
    ),
    Operator(
        "Split",
        ("any",),
        ("same",),
        split,
        split_shapes,
        {"axis": Attribute("int", least=0), "split": Attribute("ints", least=1)},
        same_quantization=True,
        more_outputs=True,
    ),
    Operator(
        "Concat",
        ("same",),
        ("same",),
        concat,
        concat_shapes,
        {"axis": Attribute("int", least=0)},
        same_quantization=True,
        more_inputs=True,
    ),
    Operator(
        "Pad",
        ("int8",),
        ("int8",),
        pad,
        pad_shapes,
        {
            "pads": Attribute("ints"),
            "mode": Attribute("choice", "constant", choices=("constant", "reflect", "edge", "wrap")),
            "value": Attribute("int", 0, least=-255, most=255),
        },
        same_quantization=True,
    ),
    _movement(
        "DepthToSpace",
        depth_to_space,
        depth_to_space_shapes,
        blocksize=Attribute("int", least=1),
        mode=Attribute("choice", "DCR", choices=("DCR", "CRD")),
    ),
    _movement("SpaceToDepth", space_to_depth, space_to_depth_shapes, blocksize=Attribute("int", least=1)),
    _movement("ResizeNearest", resize_nearest, nearest_shapes, rows=_INDICES, columns=_INDICES),
    Operator(
        "ResizeLinear",
        ("int8",),
        ("int8",),
        resize_linear,
        linear_shapes,
        {
            "rows": _INDICES,
            "row_weights": _INDICES,
            "row_steps": Attribute("int", least=1),
            "columns": _INDICES,
            "column_weights": _INDICES,
            "column_steps": Attribute("int", least=1),
        },
    ),
    Operator(
        "Elementwise",
        ("int8",),
        ("int8",),
        elementwise,
        expression_shapes,
        {"body": Attribute("strings"), **_LIMITS},
        more_inputs=True,
    ),
    Operator("Softmax", ("int8",), ("int8",), along_rows, same_shape),
    *(Operator(name, ("int8",), ("int8",), along_rows, same_shape) for name in REDUCTIONS),
    Operator(
        "LpNormalization", ("int8",), ("int8",), along_rows, same_shape, {"p": Attribute("int", 2, least=1, most=2)}
    ),
    Operator(
        "GroupNormalization",
        ("int8", "float32", "float32"),
        ("int8",),
        along_rows,
        group_norm_shapes,
        {
            "epsilon": Attribute("positive", 1e-5),
            "groups": Attribute("int", least=1),
            "values": Attribute("int", 0, least=0),
        },
    ),
    *(
        Operator(
            name,
            ("int8",),
            ("int8",),
            along_rows,
            search_shapes,
            {"last": Attribute("flag", 0), "byte": Attribute("flag", 0)},
        )
        for name in SEARCHES
    ),
    Operator("MaskedSoftmax", ("int8", "int8"), ("int8",), along_rows, masked_shapes),
    Operator("LogSoftmax", ("int8",), ("int8",), along_rows, same_shape),
    Operator(
        "LayerNormalization",
        ("int8", "float32", "float32"),
        ("int8",),
        along_rows,
        norm_shapes,
        {"epsilon": Attribute("positive", 1e-5)},
    ),
    Operator(
        "RMSNormalization",
        ("int8", "float32"),
        ("int8",),
        along_rows,
        norm_shapes,
        {"epsilon": Attribute("positive", 1e-5)},
    ),
    Operator("Clip", ("int8",), ("int8",), clip, same_shape, _LIMITS, same_quantization=True),
    Operator("Lookup", ("int8", "table"), ("int8",), lookup, lookup_shapes),
    Operator("Host", None, None, host, None, {"model": Attribute("bytes"), "operators": Attribute("strings", ())}),
)

OPERATORS: Mapping[str, Operator] = MappingProxyType({row.name: row for row in _ROWS})


def operator_of(name: str, operator: str) -> Operator:
    """The row of an operator; `name` is the node's, for the error if there is no such row."""
    if operator not in OPERATORS:
        raise LithifyError(
            f"Node '{name}' has the operator '{operator}', which is unknown; known are: {', '.join(OPERATORS)}."
        )
    return OPERATORS[operator]


def make_node(name: str, operator: str, inputs: tuple[str, ...], outputs: tuple[str, ...], **attributes: Any) -> Node:
    """A node whose attributes are checked and completed with the operator's defaults.

    Raises LithifyError for an unknown operator, and for an unknown, missing or wrong attribute.
    """
    return Node(name, operator, inputs, outputs, complete(name, operator_of(name, operator), attributes))
