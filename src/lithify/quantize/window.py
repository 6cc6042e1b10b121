"""Windows of ONNX convolutions and poolings, with every default filled in and `auto_pad` resolved to numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

import onnx_ir as ir

from lithify.optimize.values import shape_of


@dataclass(frozen=True)
class Window:
    """A window as the quantised graph writes it; one over a sequence has height 1. pads: top, left, bottom, right."""

    kernel_shape: tuple[int, int]
    strides: tuple[int, int]
    pads: tuple[int, int, int, int]
    dilations: tuple[int, int]


def window(node: ir.Node, kernel: Sequence[int]) -> Window | None:
    """The window of a Conv, ConvTranspose or pooling with this kernel; None unless it is over one or two dimensions.

    The shapes of the node's input and output are known.
    """
    before, after = shape_of(node.inputs[0]), shape_of(node.outputs[0])
    if before is None or after is None or len(before) not in (3, 4) or len(kernel) != len(before) - 2:
        return None
    rank = len(kernel)
    strides, dilations = _attribute(node, "strides", rank), _attribute(node, "dilations", rank)
    sizes = before[2:]
    spans = [(extent - 1) * dilation + 1 for extent, dilation in zip(kernel, dilations, strict=True)]
    auto = node.attributes.get_string("auto_pad", "NOTSET")
    if node.op_type == "ConvTranspose":
        more = output_padding(node)[2 - rank :]
        reach = zip(sizes, strides, spans, more, after[2:], strict=True)
        totals = [stride * (size - 1) + span + extra - places for size, stride, span, extra, places in reach]
        derived = auto in ("SAME_UPPER", "SAME_LOWER") or "output_shape" in node.attributes
    else:
        reach_of = zip(sizes, strides, spans, strict=True)
        totals = [max((-(-size // stride) - 1) * stride + span - size, 0) for size, stride, span in reach_of]
        derived = auto in ("SAME_UPPER", "SAME_LOWER")
    if derived:
        small, large = [total // 2 for total in totals], [total - total // 2 for total in totals]
        # ConvTranspose with an output_shape and nothing else puts the odd pixel first (ONNX).
        pads = (*small, *large) if auto == "SAME_UPPER" else (*large, *small)
    elif auto == "VALID":
        pads = (0,) * (2 * rank)
    else:
        pads = tuple(int(pad) for pad in node.attributes.get_ints("pads", (0,) * (2 * rank)))
    if min(pads) < 0:
        return None
    if rank == 1:
        return Window((1, kernel[0]), (1, strides[0]), (0, pads[0], 0, pads[1]), (1, dilations[0]))
    top, left, bottom, right = pads
    return Window(_pair(kernel), _pair(strides), (top, left, bottom, right), _pair(dilations))


def output_padding(node: ir.Node) -> tuple[int, int]:
    """Rows and columns that a ConvTranspose appends, (0, n) for a sequence."""
    given = [int(more) for more in node.attributes.get_ints("output_padding", ())]
    extra = [0] * (2 - len(given)) + given
    return extra[0], extra[1]


def _attribute(node: ir.Node, name: str, rank: int) -> tuple[int, ...]:
    return tuple(int(value) for value in node.attributes.get_ints(name, (1,) * rank))


def _pair(values: Sequence[int]) -> tuple[int, int]:
    first, second = values
    return int(first), int(second)
