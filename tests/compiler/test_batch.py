"""One program for every batch up to its own: fewer samples give their results, and take fewer cycles."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import numpy_helper

import lithify
from compiler.compiled import CHIPS, check, make_chip
from lithify.chip import load_chip
from lithify.compiler import compile_graph
from lithify.compiler.samples import batch_of, samples_of
from lithify.errors import LithifyError
from lithify.isa.conditions import CONDITIONS, condition_of, skip_of
from lithify.isa.sequence import chip_segments, segment_instructions
from lithify.program import Program, from_compiled
from lithify.reference.evaluate import run as run_reference
from lithify.runtime import run
from lithify.runtime.chip import RtlDevice

PICTURES = """<ir_version: 9, opset_import: ["" : 20]>
    pictures (float[n, 3, 12, 12] image) => (float[n, 10] scores) {
        a = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (image, w1)
        b = Relu (a)
        c = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (b)
        d = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1], group = 16> (c, w2)
        e = Conv <kernel_shape = [1, 1]> (d, w3)
        f = Add (e, c)
        g = GlobalAveragePool (f)
        h = Flatten (g)
        scores = Gemm (h, w4, bias)
    }"""

SEQUENCES = """<ir_version: 9, opset_import: ["" : 20]>
    sequences (float[n, 8, 24] x) => (float[n, 8, 24] y) {
        q = MatMul (x, w1)
        k = MatMul (x, w2)
        turned = Transpose <perm = [0, 2, 1]> (k)
        scores = MatMul (q, turned)
        weighed = Softmax (scores)
        mixed = MatMul (weighed, x)
        out = MatMul (mixed, w3)
        y = Add (out, x)
    }"""

WEIGHTS = {
    "pictures": {"w1": (16, 3, 3, 3), "w2": (16, 1, 3, 3), "w3": (16, 16, 1, 1), "w4": (16, 10), "bias": (10,)},
    "sequences": {"w1": (24, 24), "w2": (24, 24), "w3": (24, 24)},
}
TINY = load_chip("tiny").model_copy(update={"name": "tiny_vector", "vector_lanes": 2})


def model(name: str) -> onnx.ModelProto:
    random = np.random.default_rng(0)
    proto = onnx.parser.parse_model(PICTURES if name == "pictures" else SEQUENCES)
    proto.graph.initializer.extend(
        numpy_helper.from_array(random.normal(0, 0.4, shape).astype(np.float32), key)
        for key, shape in WEIGHTS[name].items()
    )
    return proto


@cache
def program(name: str, batch: int, chip: str = "tiny") -> Program:
    """Compiled from a model whose batch is open."""
    shape = {"image": (batch, 3, 12, 12)} if name == "pictures" else {"x": (batch, 8, 24)}
    loaded = loaded_from(model(name), shape)
    target = {"tiny": TINY, "plain": CHIPS["tiny"], "small": CHIPS["small"], "edge": CHIPS["edge"]}[chip]
    return lithify.compile(lithify.quantize(lithify.optimize(loaded)), chip=target)


def loaded_from(proto: onnx.ModelProto, shape: dict[str, tuple[int, ...]]) -> ir.Model:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(proto, path)
        return lithify.load(path, shape=shape)


def values(one: Program, count: int) -> np.ndarray:
    shape = one.tensors[one.inputs[0]].shape[1:]
    return np.random.default_rng(count).uniform(-1, 1, (count, *shape)).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "batch", "chip"),
    [("pictures", 5, "tiny"), ("pictures", 4, "small"), ("pictures", 20, "edge"), ("sequences", 4, "tiny")],
)
def test_fewer_samples_give_their_results_in_fewer_cycles(name: str, batch: int, chip: str) -> None:
    one = program(name, batch, chip)
    assert one.batch == batch and one.host_nodes == ()
    x = values(one, batch)
    assert one.graph is not None
    check(one.graph, one.chip, {one.inputs[0]: x})
    (expected,) = (run_reference(one.graph, {one.inputs[0]: x})[output] for output in one.outputs)
    for count in range(1, batch + 1):
        (made,) = one.run(x[:count])
        assert np.array_equal(made, expected[:count])
    cycles = [one.simulate(count).cycles for count in range(1, batch + 1)]
    assert sorted(cycles) == cycles and cycles[0] < 0.75 * cycles[-1]
    assert one.simulate().cycles == cycles[-1]


@pytest.mark.parametrize(
    ("name", "chip"), [("pictures", "plain"), pytest.param("sequences", "tiny", marks=pytest.mark.slow)]
)
def test_runs_of_fewer_samples_agree_in_rtl(name: str, chip: str) -> None:
    """Bits with the functional simulator and the reference, cycles with the timing simulator."""
    one = program(name, 4, chip)
    device = RtlDevice.of(one.chip)
    x = values(one, 4)
    for count in (1, 3, 4):
        rtl, functional = run(one, [x[:count]], device), run(one, [x[:count]])
        assert np.array_equal(rtl.outputs[0], functional.outputs[0])
        assert rtl.cycles == one.simulate(count).cycles


def test_any_number_of_samples_is_taken_batch_by_batch() -> None:
    one = program("pictures", 5)
    x = values(one, 13)
    (together,) = one.run(x)
    alone = np.concatenate([one.run(x[index : index + 1])[0] for index in range(13)])
    assert together.shape == (13, 10) and np.array_equal(together, alone)


def test_a_batch_is_kept_in_the_file(tmp_path: Path) -> None:
    one = program("pictures", 5)
    one.save(tmp_path / "p.lith")
    loaded = Program.load(tmp_path / "p.lith")
    assert loaded.batch == 5
    x = values(one, 2)
    assert np.array_equal(loaded.run(x)[0], one.run(x)[0])


def test_another_number_than_the_batch_holds_is_refused() -> None:
    with pytest.raises(LithifyError) as caught:
        program("pictures", 5).simulate(6)
    assert str(caught.value) == ("A run of 6 samples was asked for, but the program 'pictures' takes 1 to 5 samples.")


def test_what_mixes_samples_has_no_batch() -> None:
    text = """<ir_version: 9, opset_import: ["" : 20]>
        mixing (float[4, 8] x) => (float[4, 8] y) {
            mean = ReduceMean <keepdims = 1> (x, axes)
            y = Sub (x, mean)
        }"""
    proto = onnx.parser.parse_model(text)
    proto.graph.initializer.append(numpy_helper.from_array(np.array([0]), "axes"))
    one = lithify.compile(lithify.quantize(lithify.optimize(loaded_from(proto, {}))), chip="tiny")
    assert one.batch == 1 and one.mixed.startswith("mixes samples, or may do so, in ")
    with pytest.raises(LithifyError, match="takes nothing but whole inputs, because the network mixes samples"):
        one.simulate(2)
    for segment in chip_segments(one):
        assert not any(entry.integer("when") for entry in segment_instructions(one, segment))


def test_conditions_are_shared_where_samples_are_more() -> None:
    for size in (2, 7, 16, 17, 40, 64):
        numbers = [condition_of(sample, size) for sample in range(size)]
        assert numbers[0] == 0 and numbers == sorted(numbers) and max(numbers) <= CONDITIONS == 15
        for count in range(1, size + 1):
            skip = skip_of(count, size)
            assert all(not skip >> number & 1 for number in numbers[:count])
            assert all(skip >> number & 1 for number in numbers[count:] if number > numbers[count - 1])
        assert skip_of(size, size) == 0


def test_the_sample_of_each_pixel() -> None:
    assert samples_of((4, 3, 2, 5), 4)[:, 0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert samples_of((2, 3, 7), 2).tolist() == [[0, 0, 0, 1, 1, 1]]
    assert samples_of((1, 6, 2, 2), 2).tolist() == [[0, 0], [0, 0]]
    assert batch_of(program("sequences", 4).graph).size == 4  # type: ignore[arg-type]


def test_the_smallest_memory_cuts_samples_as_it_likes() -> None:
    """Steps that hold parts of two samples serve the first of them."""
    chip = make_chip("least", 4, 8, 4, 1, 64, 5, 4, 2)
    one = program("pictures", 4)
    assert one.graph is not None
    less = from_compiled(compile_graph(one.graph, chip), one.graph)
    x = values(one, 3)
    assert np.array_equal(less.run(x)[0], one.run(x)[0])
