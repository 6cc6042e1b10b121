"""The Python functions: the steps one after the other, and what they hand over."""

import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import lithify
from lithify.frontend import save
from lithify.reference.evaluate import run as by_reference

EXAMPLES = Path(__file__).parents[1] / "examples"
DATA = EXAMPLES / "digits.npz"


@pytest.fixture(scope="module")
def program() -> lithify.Program:
    """The small example for `tiny`."""
    model = lithify.optimize(lithify.load(EXAMPLES / "digits_cnn.onnx"))
    return lithify.compile(lithify.quantize(model, DATA), chip="tiny")


def test_every_word_is_a_function_with_a_page_of_its_own() -> None:
    for name in lithify.__all__:
        word = getattr(lithify, name)
        assert callable(word), name
        if not inspect.isclass(word):
            assert inspect.signature(word) is not None


def test_a_word_stays_callable_when_its_folder_is_imported() -> None:
    """`lithify.quantize` is a step and a folder, whichever is touched first."""
    for first in ("import lithify.quantize.data", "lithify.quantize; import lithify.quantize.data"):
        code = f"import lithify; {first}; import lithify.quantize as q; assert callable(q); q.data"
        subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(lithify.__file__).parents[1])


def test_unknown_word() -> None:
    with pytest.raises(AttributeError, match="module 'lithify' has no attribute 'frobnicate'"):
        lithify.frobnicate  # noqa: B018


def test_run_takes_one_sample_or_many(program: lithify.Program) -> None:
    images = np.load(DATA)["images_28"][:3]
    (one,) = program.run(images[0])
    (bare,) = program.run(images[0, 0])
    (many,) = program.run(images)
    assert one.shape == (1, 10) and many.shape == (3, 10)
    assert np.array_equal(one, bare) and np.array_equal(one[0], many[0])


def test_run_equals_the_reference(program: lithify.Program) -> None:
    image = np.load(DATA)["images_28"][5]
    (found,) = program.run(image)
    assert program.graph is not None
    expected = by_reference(program.graph, {"input": image[None]})
    assert np.array_equal(found, expected["probabilities"])


def test_run_refuses_what_does_not_fit(program: lithify.Program) -> None:
    with pytest.raises(lithify.LithifyError) as error:
        program.run()
    assert str(error.value) == "The network takes 1 inputs (input), but 0 were given."


def test_a_saved_program_runs_without_model_and_compiler(program: lithify.Program, tmp_path: Path) -> None:
    """In a process that cannot import the compiler, from the file alone: the same bits."""
    program.save(tmp_path / "a folder" / "net.lith")
    image = np.load(DATA)["images_28"][0]
    np.save(tmp_path / "image.npy", image)
    code = (
        "import sys; sys.modules['lithify.compiler'] = None\n"
        "import lithify, numpy\n"
        "(out,) = lithify.run('a folder/net.lith', numpy.load('image.npy'))\n"
        "numpy.save('out.npy', out)\n"
        "assert 'onnxscript' not in sys.modules and 'amaranth' not in sys.modules\n"
    )
    path = str(Path(lithify.__file__).parents[1])
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, env={"PYTHONPATH": path})
    assert np.array_equal(np.load(tmp_path / "out.npy"), program.run(image)[0])


def test_calibration_takes_arrays(program: lithify.Program) -> None:
    """A file, one array, a list of arrays: the same data, the same network."""
    model = lithify.optimize(lithify.load(EXAMPLES / "digits_cnn.onnx"))
    samples = np.load(DATA)["calibration_28"]
    forms = [DATA, samples, list(samples), [{"input": sample[None]} for sample in samples]]
    constants = {lithify.compile(lithify.quantize(model, form), "tiny").constants for form in forms}
    assert constants == {program.constants}


def test_without_data_the_seed_decides() -> None:
    model = lithify.optimize(lithify.load(EXAMPLES / "digits_cnn.onnx"))
    made = [lithify.compile(lithify.quantize(model, seed=seed), "tiny").constants for seed in (1, 1, 2)]
    assert made[0] == made[1] != made[2]


def mixed(path: Path, softmax: bool) -> Path:
    """Two convolutions with a Hardmax, or a Softmax, between them."""
    random = np.random.default_rng(0)
    weights = {"v": random.normal(size=(8, 3, 3, 3)), "w": random.normal(size=(4, 8, 1, 1))}
    constants = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
    between = helper.make_node("Softmax" if softmax else "Hardmax", ["a"], ["b"], axis=1)
    nodes = [helper.make_node("Conv", ["x", "v"], ["a"]), between, helper.make_node("Conv", ["b", "w"], ["y"])]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4, 6, 6])
    graph = helper.make_graph(nodes, "mixed", [x], [y], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return path


@pytest.mark.parametrize("operator", ["Softmax", "Hardmax"])
def test_what_the_chip_lacks_runs_on_the_host_by_name(operator: str, tmp_path: Path) -> None:
    """The same bits as the reference; refused by --strict, for a Softmax may only be at the end."""
    model = lithify.quantize(lithify.optimize(lithify.load(mixed(tmp_path / "net.onnx", operator == "Softmax"))))
    program = lithify.compile(model, "tiny")
    assert program.host_nodes == (operator,)
    assert program.verify(rtl="none").agreed
    with pytest.raises(lithify.LithifyError) as error:
        lithify.compile(model, "tiny", strict=True)
    reason = " (node_1: chip 'tiny' is built without a vector unit; its vector_lanes is 0)"
    named = operator + (reason if operator == "Softmax" else "")
    assert str(error.value) == (
        f"These operators would run on the host: {named}; --strict allows nothing there but a final Softmax. "
        "Leave --strict out, or change the network or the chip."
    )


def test_strict_allows_a_final_softmax(program: lithify.Program) -> None:
    from lithify.flow import refuse_host

    assert program.host_nodes == ("Softmax",)
    refuse_host(program)


def test_chips_and_doctor() -> None:
    assert [chip.name for chip in lithify.chips()] == ["edge", "mac256_vector", "tiny"]
    findings = lithify.doctor()
    groups = [finding.group for finding in findings]
    assert groups == sorted(groups, key=groups.index), "groups stay together"
    for finding in findings:
        assert finding.found or finding.install or finding.group == "processor", finding
    assert {finding.name for finding in findings if finding.required and finding.found} >= {"amaranth", "onnxruntime"}


def test_the_model_beside_a_program_is_read_when_it_is_needed(program: lithify.Program, tmp_path: Path) -> None:
    """Running and timing a program read its file alone: the model beside it may be many times as large, or bad."""
    program.save(tmp_path / "program.lith")
    (tmp_path / "quantized.onnx").write_bytes(b"no model")
    loaded = lithify.Program.load(tmp_path)
    assert loaded.simulate().cycles == program.simulate().cycles
    with pytest.raises(lithify.LithifyError, match=r"quantized\.onnx"):
        loaded.verify(rtl="none")
    model = lithify.quantize(lithify.optimize(lithify.load(EXAMPLES / "digits_cnn.onnx")), DATA)
    save(model, tmp_path / "quantized.onnx")
    graph = lithify.Program.load(tmp_path).graph
    assert graph is not None and program.graph is not None and len(graph.nodes) == len(program.graph.nodes)
