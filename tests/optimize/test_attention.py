"""Attention of operator set 23, written out: judged by ONNX's own reference, one node against the products."""

from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from tests.frontend.models import floats, operators

from lithify.optimize.attention import expand_attention

Shape = tuple[int, ...]
HEADS: tuple[Shape, Shape, Shape] = (2, 4, 5, 8), (2, 4, 6, 8), (2, 4, 6, 10)
SHARED: tuple[Shape, Shape, Shape] = (2, 4, 5, 8), (2, 2, 6, 8), (2, 2, 6, 8)
FLAT: tuple[Shape, Shape, Shape] = (2, 5, 32), (2, 6, 16), (2, 6, 20)
FLAT_HEADS = {"q_num_heads": 4, "kv_num_heads": 2}


def model(shapes: tuple[Shape, Shape, Shape], mask: NDArray[Any] | None, **attributes: Any) -> onnx.ModelProto:
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in zip("qkv", shapes, strict=True)
    ]
    names = ["q", "k", "v", *(["mask"] if mask is not None else [])]
    node = helper.make_node("Attention", names, ["y"], **attributes)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    constants = [] if mask is None else [numpy_helper.from_array(mask, "mask")]
    graph = helper.make_graph([node], "g", inputs, [y], constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=10)
    return onnx.shape_inference.infer_shapes(made)


@pytest.mark.parametrize(
    ("shapes", "mask", "attributes"),
    [
        (HEADS, None, {}),
        (HEADS, None, {"is_causal": 1, "scale": 0.2}),
        (SHARED, None, {"is_causal": 1}),
        (SHARED, floats(1, 5, 6), {}),
        (HEADS, floats(2, 5, 6) > 0, {}),
        (FLAT, None, {**FLAT_HEADS, "is_causal": 1}),
        (FLAT, floats(3, 1, 1, 5, 6), FLAT_HEADS),
    ],
)
def test_attention(shapes: tuple[Shape, Shape, Shape], mask: NDArray[Any] | None, attributes: dict[str, Any]) -> None:
    before = model(shapes, mask, **attributes)
    after = expand_attention(ir.serde.deserialize_model(before))
    assert "Attention" not in operators(after) and operators(after).count("MatMul") == 2
    given = {name: floats(index, *shape) for index, (name, shape) in enumerate(zip("qkv", shapes, strict=True))}
    (wanted,) = ReferenceEvaluator(before).run(None, given)
    (got,) = ReferenceEvaluator(ir.serde.serialize_model(after)).run(None, given)
    assert got.shape == wanted.shape and after.graph.outputs[0].name == "y"
    assert np.abs(got - wanted).max() < 1e-5


def test_what_is_computed_stays() -> None:
    for mask, attributes in ((floats(1, 2, 4, 5, 6), {}), (None, {"softcap": 2.0})):
        stays = expand_attention(ir.serde.deserialize_model(model(HEADS, mask, **attributes)))
        assert operators(stays) == ["Attention"]
