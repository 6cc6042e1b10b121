"""Plans of every kind: the bits of one chip, schedules worked out by hand, the choice, a failed chip."""

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from numpy.typing import NDArray

import lithify
from conftest import Ran
from lithify.cluster import (
    Cluster,
    TaskPlan,
    TensorPlan,
    again,
    data_parallel,
    failed,
    pipeline,
    plan,
    task_parallel,
    tensor_parallel,
)
from lithify.cluster.schedule import Failure, Step, schedule
from lithify.cluster.task import balanced
from lithify.cluster.tensor import vector_cycles
from lithify.errors import LithifyError
from lithify.frontend import save
from lithify.networks.builder import Builder

TWO = Cluster(chip="tiny", chips=2)


def mixer(name: str, width: int) -> ir.Model:
    """Rows through two dense layers and a sum: small, and every kind of parallelism can take it."""
    net = Builder(name, (1, 64, width), 0)
    x = net.relu(net.linear(net.input, 2 * width))
    return lithify.quantize(lithify.optimize(lithify.load(net.model([net.add(net.linear(x, width), net.input)]))))


@pytest.fixture(scope="module")
def small() -> ir.Model:
    return mixer("small", 64)


@pytest.fixture(scope="module")
def large() -> ir.Model:
    return mixer("large", 128)


@pytest.fixture(scope="module")
def tensor(large: ir.Model) -> TensorPlan:
    return tensor_parallel(large, TWO)


def feed(width: int) -> dict[str, NDArray[np.float32]]:
    return {"input": np.random.default_rng(0).standard_normal((1, 64, width)).astype(np.float32)}


def test_phases_by_hand() -> None:
    """Chips of 4 and 6 cycles side by side, a link of 2 that takes 1 more, then 5 and 3: 6 + 3 + 5."""
    phases = [
        (Step("chip 0", 4), Step("chip 1", 6)), (Step("link", 2, 1),), (Step("chip 0", 5), Step("chip 1", 3)),
    ]  # fmt: skip
    found = schedule([phases] * 2, window=1)
    assert found.finished == (14, 28) and found.busy == {"chip 0": 18, "chip 1": 18, "link": 4}


def test_a_failure_by_hand() -> None:
    """Two chips of 10 cycles, requests in turn; chip 1 fails in cycle 15, while request 3 is on it. It, and request 4
    that waits for chip 0, go on: 4 ends at 30; 3 begins anew at 15 + 5 and follows on chip 0.
    """
    requests = [[Step(f"chip {index % 2}", 10)] for index in range(5)]
    failure = Failure("chip 1", 15, 5, lambda index: [Step("chip 0", 10)])
    found = schedule(requests, failure=failure)
    assert found.finished[:3] == (10, 10, 20) and sorted(found.finished[3:]) == [30, 40] and found.again == (3,)


def test_tensor_parallel_gives_the_bits_of_one_chip(large: ir.Model, tensor: TensorPlan) -> None:
    expected = data_parallel(large, TWO).run(feed(128))
    assert all(np.array_equal(a, b) for a, b in zip(tensor.run(feed(128)), expected, strict=True))
    for part, cycles in enumerate(tensor.part_cycles):
        assert cycles == tuple(tensor.program_of(part, chip).simulate().cycles for chip in range(2))
    found = tensor.to_json()
    assert found["parallelism"] == "tensor" and found["latency_speed_up"] > 1.2
    assert set(found["shared_out"]) <= {"rows", "output channels"}
    alone = tensor_parallel(large, TWO, channels_alone=True)
    assert alone.to_json()["shared_out"].keys() == {"output channels"} and alone.to_json()["exchanged_bytes"] > 0
    assert all(np.array_equal(a, b) for a, b in zip(alone.run(feed(128)), expected, strict=True))


def test_tasks_are_balanced(small: ir.Model, large: ir.Model) -> None:
    """Of 10 and 30 cycles each of two chips gets 20: the first network, and a third of the second."""
    third = Fraction(1, 3)
    assert balanced((10, 30), 2) == (((0, Fraction(1)),), ((0, third), (1, 2 * third)))
    assert balanced((7,), 2) == (((0, Fraction(1, 2)), (1, Fraction(1, 2))),)
    assert balanced((4, 4), 2) == (((0, Fraction(1)),), ((1, Fraction(1)),))
    found = task_parallel([small, large], Cluster(chip="tiny", chips=3))
    one = data_parallel(small, TWO).run(feed(64))
    assert isinstance(found, TaskPlan) and np.array_equal(found.run(feed(64), 0)[0], one[0])
    assert 2.7 < found.speed_up <= 3 and found.to_json()["networks"] == ["small", "large"]


@pytest.mark.slow
def test_the_choice_and_its_reasons(large: ir.Model, small: ir.Model) -> None:
    fast = plan([large], TWO, goal="latency")
    assert fast.plan.parallelism == "tensor" and "pipeline: not tried" in fast.reasons[1]
    assert fast.reasons[-1].startswith("Chosen for latency: tensor; it is limited by")
    many = plan([large], TWO)
    assert many.plan.parallelism == "data" and many.plan.speed_up > 1.9
    assert plan([small, large], TWO).plan.parallelism == "task"
    with pytest.raises(LithifyError, match=r"^2 networks were given, and tensor parallelism takes one; give one, or"):
        plan([small, large], TWO, "tensor")
    with pytest.raises(LithifyError, match="takes one network or more, and none was given"):
        plan([], TWO)


@pytest.mark.slow
def test_nothing_is_lost_when_a_chip_fails(small: ir.Model, large: ir.Model, tensor: TensorPlan) -> None:
    three = Cluster(chip="tiny", chips=3)
    data = failed(data_parallel(large, three), 1, again(data_parallel(large, three), [large]))
    assert data.lost == 0 and data.timing.again and 0.6 < data.rate < 0.7 and data.after.chips == 2
    staged = failed(pipeline(large, TWO), 0, again(pipeline(large, TWO), [large]))
    shared = failed(tensor, 1, again(tensor, [large]))
    tasks = task_parallel([small, large], TWO)
    side = failed(tasks, 0, again(tasks, [small, large]))
    for found in (staged, shared, side):
        assert found.lost == 0 and found.after.chips == 1 and found.rate < 1 and found.pause > 3000
        assert all(found.timing.finished[index] > found.at + found.pause for index in found.timing.again)
    assert staged.timing.again and shared.timing.again
    assert np.array_equal(shared.after.run(feed(128))[0], tensor.run(feed(128))[0])
    assert data.to_json()["answered_before"] + len(data.timing.again) < len(data.timing.finished)
    with pytest.raises(LithifyError, match=r"^Chip 2 was said to fail, and the cluster has the chips 0 to 1; name one"):
        failed(tensor, 2, again(tensor, [large]))
    with pytest.raises(LithifyError, match="The cluster has one chip; when that fails nothing is left"):
        failed(shared.after, 0, again(tensor, [large]))


def test_a_ring_without_a_chip_is_a_line(large: ir.Model) -> None:
    """Chips 3 and 1 are no neighbours once 2 has failed; what goes between them passes chip 0."""
    four = Cluster(chip="tiny", chips=4)
    found = failed(data_parallel(large, four), 2, lambda left: tensor_parallel(large, left, channels_alone=True))
    assert found.after.cluster.topology == "line" and found.lost == 0
    links = {name for name in found.timing.busy if name.startswith("link")}
    assert links == {"link 3 to 0", "link 0 to 3", "link 0 to 1", "link 1 to 0"}


@pytest.mark.slow
def test_the_command(run: Callable[..., Ran], tmp_path: Path, small: ir.Model) -> None:
    save(small, tmp_path / "small.onnx")
    (tmp_path / "two.toml").write_text('chip = "tiny"\nchips = 2\n')
    arguments = (str(tmp_path / "two.toml"), str(tmp_path / "small.onnx"))
    ran = run("cluster", *arguments, "--goal", "latency", "--failed", "1", "--json")
    found = json.loads(ran.out)
    assert found["goal"] == "latency" and found["failed"]["lost"] == 0 and found["reasons"]
    told = run("cluster", *arguments, "--parallel", "data", "--failed", "0")
    assert "It was asked for." in told.out and "0 are lost" in told.out
    assert run("cluster", *arguments, "--failed", "7").status == 1


def test_a_normalisation_is_work_though_one_chip_hides_it() -> None:
    """Beside products the array hardly waits for it, which is what a layer's cycles say; the vector unit works."""
    net = Builder("hidden", (1, 128, 256), 0)
    x = net.layer_normalization(net.linear(net.input, 256), epsilon=1e-6)
    model = lithify.quantize(lithify.optimize(lithify.load(net.model([net.linear(x, 1024)]))))
    program = lithify.compile(model, "edge")
    (found,) = vector_cycles(program).items()
    waited = next(layer.cycles for layer in program.simulate().layers if layer.name == found[0])
    lanes = 128 * 256 // 4
    assert waited < found[1] and 6 * lanes < found[1] < 16 * lanes
