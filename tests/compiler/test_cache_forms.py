"""The forms in which models add to caches and mask what is not there: each becomes rows that the chip adds in place."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

import lithify
from compiler.test_rows import WITH_UNIT
from lithify.quantize import inputs_of, seeded
from lithify.reference.evaluate import run as run_reference

LENGTH, HEADS, DEPTH = 16, 2, 8
WIDTH = HEADS * DEPTH

SCATTERS = {
    "TensorScatter": (24, "keys_out = TensorScatter <axis = 2> (keys, k, position)"),
    "ScatterElements": (
        18,
        """places = Add (position, column)
        backwards = Neg (places)
        indices = Expand (places, shape_of_new)
        keys_out = ScatterElements <axis = 2> (keys, indices, k)""",
    ),
    "ScatterND": (
        18,
        """keys_first = Transpose <perm = [2, 0, 1, 3]> (keys)
        new_first = Transpose <perm = [2, 0, 1, 3]> (k)
        one = Constant <value_ints = [1]> ()
        count = Add (position, tokens)
        end = Squeeze (count)
        begin = Squeeze (position)
        step = Constant <value_int = 1> ()
        places = Range (begin, end, step)
        indices = Unsqueeze (places, one)
        added = ScatterND (keys_first, indices, new_first)
        keys_out = Transpose <perm = [1, 2, 0, 3]> (added)""",
    ),
}

MASKS = {
    "added": """limits = Add (position, row)
        seen = LessOrEqual (columns, limits)
        zero = Constant <value_float = 0.0> ()
        far = Constant <value_float = -10000.0> ()
        mask = Where (seen, zero, far)
        masked = Add (scores, mask)""",
    "chosen by what is behind": """limits = Add (position, row)
        behind = Greater (columns, limits)
        far = Constant <value_float = -3.4e38> ()
        masked = Where (behind, far, scores)""",
}


def network(scatter: str, mask: str, tokens: int, change: tuple[str, str] = ("", "")) -> onnx.ModelProto:
    """change: what of the text is replaced by what."""
    opset, adds = SCATTERS[scatter]
    text = f"""<ir_version: 10, opset_import: ["" : {opset}]>
    step (float[1, {tokens}, {WIDTH}] x, int64[1] position, float[1, {HEADS}, {LENGTH}, {DEPTH}] keys)
        => (float[1, {tokens}, {WIDTH}] y, float[1, {HEADS}, {LENGTH}, {DEPTH}] keys_out) {{
        q0 = MatMul (x, query)
        k0 = MatMul (x, key)
        q1 = Reshape (q0, apart)
        k1 = Reshape (k0, apart)
        q = Transpose <perm = [0, 2, 1, 3]> (q1)
        k = Transpose <perm = [0, 2, 1, 3]> (k1)
        {adds}
        turned = Transpose <perm = [0, 1, 3, 2]> (keys_out)
        scores = MatMul (q, turned)
        {MASKS[mask]}
        shares = Softmax <axis = -1> (masked)
        mixed = MatMul (shares, keys_out)
        mixed_tokens = Transpose <perm = [0, 2, 1, 3]> (mixed)
        y = Reshape (mixed_tokens, joined)
    }}"""
    return with_constants(onnx.parser.parse_model(text.replace(*change) if change[0] else text), tokens)


def attention(mask: str, heads: int, tokens: int) -> onnx.ModelProto:
    """Of operator set 24, with a mask or with the number of keys; `heads` share two heads of keys and values."""
    masked = {
        "mask": """limits = Add (position, row)
        seen = LessOrEqual (columns, limits)
        a = Attention (q, keys_out, values_out, seen)""",
        "number of keys": """there = Add (position, tokens)
        a = Attention <is_causal = 1> (q, keys_out, values_out, , , , there)""",
    }[mask]
    model = onnx.parser.parse_model(f"""<ir_version: 11, opset_import: ["" : 24]>
    step (float[1, {tokens}, {WIDTH}] x, int64[1] position, float[1, {HEADS}, {LENGTH}, {DEPTH}] keys,
          float[1, {HEADS}, {LENGTH}, {DEPTH}] values)
        => (float[1, {heads}, {tokens}, {DEPTH}] y, float[1, {HEADS}, {LENGTH}, {DEPTH}] keys_out,
            float[1, {HEADS}, {LENGTH}, {DEPTH}] values_out) {{
        q0 = MatMul (x, wide)
        k0 = MatMul (x, key)
        v0 = MatMul (x, value)
        q1 = Reshape (q0, wide_apart)
        k1 = Reshape (k0, apart)
        v1 = Reshape (v0, apart)
        q = Transpose <perm = [0, 2, 1, 3]> (q1)
        k = Transpose <perm = [0, 2, 1, 3]> (k1)
        v = Transpose <perm = [0, 2, 1, 3]> (v1)
        keys_out = TensorScatter (keys, k, position)
        values_out = TensorScatter (values, v, position)
        {masked}
        y = Identity (a)
    }}""")
    return with_constants(model, tokens, heads)


def with_constants(model: onnx.ModelProto, tokens: int, heads: int = HEADS) -> onnx.ModelProto:
    random = np.random.default_rng(0)
    shapes = {"query": WIDTH, "key": WIDTH, "value": WIDTH, "wide": heads * DEPTH}
    constants = {name: random.normal(0, 0.3, (WIDTH, size)).astype(np.float32) for name, size in shapes.items()}
    constants |= {
        "apart": np.array([1, tokens, HEADS, DEPTH]),
        "wide_apart": np.array([1, tokens, heads, DEPTH]),
        "joined": np.array([1, tokens, WIDTH]),
        "shape_of_new": np.array([1, HEADS, tokens, DEPTH]),
        "column": np.arange(tokens).reshape(1, 1, tokens, 1),
        "row": np.arange(tokens)[:, None],
        "columns": np.arange(LENGTH),
        "tokens": np.array([tokens]),
    }
    used = {name for node in model.graph.node for name in node.input}
    model.graph.initializer.extend(
        numpy_helper.from_array(data, name) for name, data in constants.items() if name in used
    )
    return model


def check(model: onnx.ModelProto, state: dict[str, str], tokens: int) -> None:
    """The optimised model means the same, and the program is the reference's at every step, all of it on the chip."""
    optimized = lithify.optimize(lithify.load(model))
    samples = seeded(inputs_of(optimized), 4)
    assert len(set(samples.inputs["position"].reshape(-1).tolist())) > 1
    for index in range(3):
        wanted = ReferenceEvaluator(model).run(None, samples[index])
        found = ReferenceEvaluator(ir.serde.serialize_model(optimized)).run(None, samples[index])
        for one, other in zip(wanted, found, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)
    one = lithify.compile(lithify.quantize(optimized, state=state), WITH_UNIT["tiny"], strict=True)
    assert one.cache is not None and one.cache.whole == "" and not one.reasons
    assert (one.cache.position, one.cache.rows, one.cache.added) == ("position", LENGTH, tokens)
    assert one.verify(rtl="none").agreed and one.graph is not None
    carried = {name: np.zeros(one.graph.tensors[name].shape, np.float32) for name in state}
    random = np.random.default_rng(5)
    one.reset()
    for position in range(0, 3 * tokens, tokens):
        x = random.normal(0, 1, (1, tokens, WIDTH)).astype(np.float32)
        made = run_reference(one.graph, {"x": x, "position": np.array([position]), **carried})
        carried = {name: made[output] for name, output in state.items()}
        assert np.array_equal(one.run(x, np.array([position]))[0], made["y"])
        for name in state:
            # Inside a row is a token with all its heads.
            rows = carried[name].transpose(0, 2, 1, 3).reshape(1, LENGTH, WIDTH)
            assert np.array_equal(one.state(name), rows)


@pytest.mark.parametrize("tokens", [1, 3])
@pytest.mark.parametrize("scatter", SCATTERS)
def test_additions_by_any_scatter(scatter: str, tokens: int) -> None:
    check(network(scatter, "added", tokens), {"keys": "keys_out"}, tokens)


def test_a_mask_chosen_the_other_way() -> None:
    check(network("TensorScatter", "chosen by what is behind", 3), {"keys": "keys_out"}, 3)


@pytest.mark.parametrize(("mask", "heads", "tokens"), [("mask", 4, 1), ("mask", 2, 3), ("number of keys", 2, 3)])
def test_attention_of_operator_set_24(mask: str, heads: int, tokens: int) -> None:
    check(attention(mask, heads, tokens), {"keys": "keys_out", "values": "values_out"}, tokens)


@pytest.mark.parametrize(
    ("old", "new", "host"),
    [
        ("(places, shape_of_new)", "(backwards, shape_of_new)", "ScatterElements"),
        ("LessOrEqual (columns", "Less (columns", "Less"),
    ],
)
def test_other_indices_and_masks_stay_with_the_host_by_name(old: str, new: str, host: str) -> None:
    """Rows from the end are no rows that follow, and a mask without the row's own token is another one."""
    given = network("ScatterElements", "added", 1, (old, new))
    one = lithify.compile(lithify.quantize(lithify.optimize(lithify.load(given))), WITH_UNIT["tiny"])
    assert host in one.host_nodes


def rotary(tokens: int) -> onnx.ModelProto:
    """Queries and keys turned by the angles of their places, which are rows of two tables."""
    turning = "".join(
        f"""
        {name}a, {name}b = Split <axis = -1> ({name}, halves)
        {name}m = Neg ({name}b)
        {name}o = Concat <axis = -1> ({name}m, {name}a)
        {name}c = Mul ({name}, cosine)
        {name}s = Mul ({name}o, sine)
        {name}_turned = Add ({name}c, {name}s)"""
        for name in ("q", "k")
    )
    model = network(
        "TensorScatter",
        "added",
        tokens,
        (
            "keys_out = TensorScatter <axis = 2> (keys, k, position)",
            f"""places = Add (position, numbers)
            cosine = Gather (cosines, places)
            sine = Gather (sines, places){turning}
            keys_out = TensorScatter <axis = 2> (keys, k_turned, position)""",
        ),
    )
    for node in model.graph.node:
        if node.output[0] == "scores":
            node.input[0] = "q_turned"
    angles = np.outer(np.arange(LENGTH), 0.1 ** (np.arange(DEPTH // 2) / (DEPTH // 2)))
    angles = np.concatenate([angles, angles], 1)
    constants = {
        "numbers": np.arange(tokens),
        "halves": np.array([DEPTH // 2, DEPTH // 2]),
        "cosines": np.cos(angles).astype(np.float32),
        "sines": np.sin(angles).astype(np.float32),
    }
    model.graph.initializer.extend(numpy_helper.from_array(data, name) for name, data in constants.items())
    return model


def test_angles_of_rotary_embeddings_are_gathered_at_the_position() -> None:
    check(rotary(3), {"keys": "keys_out"}, 3)
