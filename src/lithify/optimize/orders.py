"""Where the largest of a row is, is no question of a Softmax: it keeps the order of a row's elements."""

import onnx_ir as ir

from lithify.optimize.values import integer, producer, set_input, shape_of

_KEEPING = ("Softmax", "LogSoftmax")


def search_scores(model: ir.Model) -> ir.Model:
    """ArgMax and ArgMin of a Softmax or LogSoftmax along the same axis search what that reads.

    Another index can only come of what float rounding makes equal.
    """
    model = model.clone()
    for node in list(model.graph):
        if node.domain != "" or node.op_type not in ("ArgMax", "ArgMin"):
            continue
        softmax, shape = producer(node.inputs[0], *_KEEPING), shape_of(node.inputs[0])
        if softmax is None or shape is None or node.inputs[0] is not softmax.outputs[0]:
            continue
        if integer(node, "axis", 0) % len(shape) == integer(softmax, "axis", -1) % len(shape):
            set_input(node, 0, softmax.inputs[0])
    return model
