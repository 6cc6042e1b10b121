"""Rules that lower nodes to chip operations, a family of operators a file."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from lithify.chip import Chip
from lithify.compiler.lowering.append import lower_append
from lithify.compiler.lowering.batch import batch_of, each_image, one_image
from lithify.compiler.lowering.concat import lower_concat
from lithify.compiler.lowering.gather import lower_gather
from lithify.compiler.lowering.matmul import lower_matmul
from lithify.compiler.lowering.moved import lower_moved
from lithify.compiler.lowering.movement import lower_pad, lower_slice, lower_space_to_depth, lower_split
from lithify.compiler.lowering.node import Unsupported, check_fields
from lithify.compiler.lowering.pairs import lower_pair
from lithify.compiler.lowering.products import lower_conv, lower_gemm
from lithify.compiler.lowering.reductions import lower_reduction
from lithify.compiler.lowering.resize import lower_resize_linear
from lithify.compiler.lowering.rows import lower_rows
from lithify.compiler.lowering.streams import lower_clip
from lithify.compiler.lowering.table import lower_lookup
from lithify.compiler.lowering.transposed import lower_conv_transpose
from lithify.compiler.lowering.windows import lower_average_pool, lower_max_pool
from lithify.compiler.operation import Operation
from lithify.errors import LithifyError
from lithify.reference.graph import Graph, Node
from lithify.reference.rows import ROW_WORKS

__all__ = ["Unsupported", "lower_node"]

Rule = Callable[[Graph, Node, Chip], tuple[Operation, ...]]

RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "Conv": lower_conv,
        "Gemm": lower_gemm,
        "MaxPool": lower_max_pool,
        "AveragePool": lower_average_pool,
        "GlobalAveragePool": lower_average_pool,
        "Clip": lower_clip,
        "Lookup": lower_lookup,
        "Add": lower_pair,
        "Sub": lower_pair,
        "Mul": lower_pair,
        "MatMul": lower_matmul,
        "Concat": lower_concat,
        "Slice": lower_slice,
        "Gather": lower_gather,
        "Append": lower_append,
        "Split": lower_split,
        "Pad": lower_pad,
        "SpaceToDepth": lower_space_to_depth,
        "ConvTranspose": lower_conv_transpose,
        "ResizeLinear": lower_resize_linear,
        "Expand": lower_moved,
        "Tile": lower_moved,
        "DepthToSpace": lower_moved,
        "ResizeNearest": lower_moved,
        "ReduceMean": lower_reduction,
        "ReduceSum": lower_reduction,
        "ReduceMax": lower_reduction,
        "ReduceMin": lower_reduction,
        **dict.fromkeys(ROW_WORKS, lower_rows),
    }
)


def lower_node(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
    """The operations of a node that is no conversion, no Transpose and no Host; raises Unsupported."""
    images = batch_of(graph, node)
    seen = one_image(graph, node) if images > 1 else graph
    if node.operator not in RULES:
        raise Unsupported(f"the chip has no unit for {node.operator}")
    try:
        operations = RULES[node.operator](seen, node, chip)
    except LithifyError as error:
        # The reference refuses the scales, whoever runs the node; its own sentence says so.
        raise Unsupported(str(error)) from error
    if images > 1:
        operations = each_image(graph, node, chip, operations)
    for operation in operations:
        check_fields(operation, chip)
    return operations
