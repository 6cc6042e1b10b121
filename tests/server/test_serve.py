"""The server, as its clients meet it: tritonclient over HTTP and gRPC, many at once, and what is refused."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.examples.test_examples import printed

import lithify
from compiler.test_batch import program as batched
from lithify.program import Program

if find_spec("kserve") is None:  # not imported here: its messages have the names of the client's
    pytest.skip("the extra 'serve' is not installed", allow_module_level=True)
http = pytest.importorskip("tritonclient.http", reason="tritonclient is not installed")
grpc = pytest.importorskip("tritonclient.grpc", reason="tritonclient is not installed")

OUTPUTS = {"digits": "probabilities", "pictures": "scores"}
EXAMPLES = Path(__file__).parents[2] / "examples"


@dataclass(frozen=True)
class Server:
    """A server in a process of its own. digits: one image a run; pictures: with an open batch of 5."""

    process: subprocess.Popen[str]
    http: str
    grpc: str
    digits: Program
    pictures: Program


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("served")
    model = lithify.optimize(lithify.load(EXAMPLES / "digits_cnn.onnx"))
    digits = lithify.compile(lithify.quantize(model, EXAMPLES / "digits.npz"), "tiny")
    pictures = batched("pictures", 5, "plain")
    digits.save(folder / "digits.lith")
    pictures.save(folder / "pictures.lith")
    with start(
        folder / "digits.lith", folder / "pictures.lith", "--device", "sim:0-1", "--max-request", "1"
    ) as process:
        where = json.loads(process.stdout.readline())
        yield Server(process, where["http"].removeprefix("http://"), where["grpc"], digits, pictures)


def start(*words: object) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "lithify",
        "serve",
        *map(str, words),
        "--http-port",
        "0",
        "--grpc-port",
        "0",
        "--json",
    ]
    return Process(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ))


class Process(subprocess.Popen[str]):
    """Ends with its block."""

    def __exit__(self, *error: object) -> None:
        self.terminate()
        self.communicate(timeout=60)


def images() -> NDArray[np.float32]:
    return np.load(EXAMPLES / "digits.npz")["images_28"]


def asked(client: Any, module: Any, model: str, name: str, array: NDArray[Any]) -> NDArray[Any]:
    entry = module.InferInput(name, list(array.shape), "FP32")
    entry.set_data_from_numpy(array)
    found = client.infer(model, [entry]).as_numpy(OUTPUTS[model])
    assert found is not None
    return found


def clients(server: Server) -> list[tuple[Any, Any]]:
    return [
        (http.InferenceServerClient(server.http, concurrency=1), http),
        (grpc.InferenceServerClient(server.grpc), grpc),
    ]


def test_health_and_metadata(server: Server) -> None:
    (name,) = server.digits.inputs
    shape = list(server.digits.tensors[name].shape)
    for client, module in clients(server):
        assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("digits")
        found = client.get_model_metadata("digits", **({} if module is http else {"as_json": True}))
        (entry,) = found["inputs"]
        assert (entry["name"], entry["datatype"], [int(size) for size in entry["shape"]]) == (name, "FP32", shape)
        found = client.get_model_metadata("pictures", **({} if module is http else {"as_json": True}))
        assert int(found["inputs"][0]["shape"][0]) == -1


def test_answers_are_the_programs(server: Server) -> None:
    x = np.random.default_rng(1).uniform(-1, 1, (13, 3, 12, 12)).astype(np.float32)
    for client, module in clients(server):
        for image in images()[:3]:
            found = asked(client, module, "digits", server.digits.inputs[0], image[None])
            assert np.array_equal(found, server.digits.run(image)[0])
        for count in (1, 4, 13):
            found = asked(client, module, "pictures", server.pictures.inputs[0], x[:count])
            assert np.array_equal(found, server.pictures.run(x[:count])[0])


def test_without_binary_data(server: Server) -> None:
    """The protocol as plain JSON, as curl sends it."""
    (image,) = images()[:1]
    (name,) = server.digits.inputs
    entry = {"name": name, "shape": [1, *image.shape], "datatype": "FP32", "data": image.reshape(-1).tolist()}
    status, body = post(server, "digits", json.dumps({"inputs": [entry]}).encode())
    assert status == 200
    found = np.array(body["outputs"][0]["data"], np.float32).reshape(body["outputs"][0]["shape"])
    assert np.array_equal(found, server.digits.run(image)[0])


def post(server: Server, model: str, data: bytes) -> tuple[int, Any]:
    request = urllib.request.Request(
        f"http://{server.http}/v2/models/{model}/infer", data, {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_many_clients_at_once(server: Server) -> None:
    """Samples of several clients share a run; every client gets its own answer."""
    x = np.random.default_rng(2).uniform(-1, 1, (40, 3, 12, 12)).astype(np.float32)
    expected = server.pictures.run(x)[0]
    wrong = list[str]()

    def work(first: int) -> None:
        for client, module in clients(server):
            for index in range(first, 40, 8):
                count = 1 + index % 3
                found = asked(client, module, "pictures", server.pictures.inputs[0], x[index : index + count])
                if not np.array_equal(found, expected[index : index + count]):
                    wrong.append(f"{index} {module.__name__}")

    threads = [threading.Thread(target=work, args=(first,)) for first in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    metrics = urllib.request.urlopen(f"http://{server.http}/metrics", timeout=30).read().decode()
    assert 'lithify_requests_total{end="answered",model="pictures"}' in metrics
    wanted = ("lithify_samples_together_sum", "lithify_samples_together_count")
    lines = [line for line in metrics.splitlines() if line.startswith(wanted) and "pictures" in line]
    figures = {line.split("{")[0]: float(line.split()[-1]) for line in lines}
    assert figures["lithify_samples_together_sum"] > figures["lithify_samples_together_count"], "nothing ran together"


def entry(name: str = "NAME", shape: int = 1, datatype: str = "FP32") -> bytes:
    """A request whose input holds one number. NAME: the network's own."""
    return json.dumps({"inputs": [{"name": name, "shape": [shape], "datatype": datatype, "data": [1]}]}).encode()


@pytest.mark.parametrize(
    ("model", "body", "status", "message"),
    [
        ("digits", b"{", 400, "is no inference request"),
        ("digits", b"[]", 400, "is no inference request"),
        ("digits", b'{"inputs": []}', 400, "was not given its input"),
        ("digits", entry("z"), 400, "no input 'z'"),
        ("digits", entry(shape=2), 400, "are not 2 numbers"),
        ("digits", entry(datatype="INT8"), 400, "must be FP32"),
        ("digits", entry(), 400, "of shape"),
        ("none", b'{"inputs": []}', 404, "none does not exist"),
        ("digits", b" " * (1024 * 1024 + 1), 413, "larger than the 1,048,576 bytes"),
    ],
    ids=["cut", "list", "empty", "name", "data", "type", "shape", "model", "size"],
)
def test_what_is_refused(server: Server, model: str, body: bytes, status: int, message: str) -> None:
    """Each with the protocol's error; the server goes on."""
    found, answer = post(server, model, body.replace(b"NAME", server.digits.inputs[0].encode()))
    assert found == status and message in answer["error"]
    test_without_binary_data(server)


def test_what_is_refused_over_grpc(server: Server) -> None:
    client, _ = clients(server)[1]
    (name,) = server.digits.inputs
    for array, model, message in (
        (np.zeros((1, 2), np.float32), "digits", "of shape"),
        (np.zeros(300_000, np.float32), "digits", "larger than max"),
        (np.zeros((1, 2), np.float32), "none", "does not exist"),
    ):
        entry = grpc.InferInput(name, list(array.shape), "FP32")
        entry.set_data_from_numpy(array)
        with pytest.raises(Exception, match=message):
            client.infer(model, [entry])
    assert client.is_server_live()


BREAKING = """
from lithify.runtime import session
from lithify.runtime.bus import ChipFailure

opened = session.open_device

class Broken:
    name, left = "sim", 3

    def __init__(self, device):
        self.device = device

    def run_segment(self, *given):
        self.left -= 1
        if self.left < 0:
            raise ChipFailure("it broke")
        return self.device.run_segment(*given)

def open_device(name, chip, **options):
    device, close = opened(name, chip, **options)
    return (Broken(device) if name.number == 1 else device), close

session.open_device = open_device
from lithify.cli import main
main()
"""
"""A server whose second chip breaks after three runs."""


def test_a_chip_that_breaks(server: Server, tmp_path: Path) -> None:
    """Its work moves: every client gets its own answer, and the metrics say what is left."""
    server.digits.save(tmp_path / "digits.lith")
    wrong = list[int]()
    words = ["serve", str(tmp_path / "digits.lith"), "--device", "sim:0-1", "--http-port", "0", "--grpc-port", "0"]
    command = [sys.executable, "-c", BREAKING, *words, "--json"]
    with Process(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)) as process:
        where = json.loads(process.stdout.readline())
        address = where["http"].removeprefix("http://")
        expected = server.digits.run(images()[:40])[0]

        def work(first: int) -> None:
            client = http.InferenceServerClient(address)
            for index in range(first, 40, 4):
                found = asked(client, http, "digits", server.digits.inputs[0], images()[index : index + 1])
                if not np.array_equal(found, expected[index : index + 1]):
                    wrong.append(index)

        threads = [threading.Thread(target=work, args=(first,)) for first in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        text = urllib.request.urlopen(f"{where['http']}/metrics", timeout=30).read().decode()
    assert not wrong
    found = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if line[0] != "#"}
    assert found['lithify_requests_total{end="answered",model="digits"}'] == 40
    assert found['lithify_chips_failed{model="digits"}'] == found['lithify_requests_moved{model="digits"}'] == 1
    assert found['lithify_chip_runs{chip="sim:1",model="digits"}'] == 3
    assert found['lithify_chip_runs{chip="sim:0",model="digits"}'] == 37
    assert found['lithify_runs_per_second{model="digits"}'] > 0


def test_the_example(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    over_http, over_grpc, counted, ended = printed("serve", monkeypatch, capsys)
    assert over_http.endswith("the digit is a 3") and over_grpc.endswith("the digit is a 3")
    assert counted == 'lithify_requests_total{end="answered",model="digits"} 2.0'
    assert ended == "the server ended with status 0"


def test_overload_and_a_graceful_end(server: Server, tmp_path: Path) -> None:
    """One request at a time and a long wait for company: the second is turned away, the first answered, although the
    server is told to stop meanwhile.
    """
    server.pictures.save(tmp_path / "pictures.lith")
    x = np.zeros((1, 3, 12, 12), np.float32)
    with start(tmp_path / "pictures.lith", "--queue", "1", "--wait", "1500") as process:
        where = json.loads(process.stdout.readline())
        first, second = (http.InferenceServerClient(where["http"].removeprefix("http://")) for _ in range(2))
        entry = http.InferInput(server.pictures.inputs[0], [1, 3, 12, 12], "FP32")
        entry.set_data_from_numpy(x)
        answer = first.async_infer("pictures", [entry])
        deadline = time.monotonic() + 10
        while True:
            try:
                second.infer("pictures", [entry])
            except Exception as error:
                assert "1 requests are on their way, and the server takes 1" in str(error)
                break
            assert time.monotonic() < deadline
        process.send_signal(signal.SIGTERM)
        found = answer.get_result().as_numpy(server.pictures.outputs[0])
        assert np.array_equal(found, server.pictures.run(x)[0])
        first.close()
        second.close()
        assert process.wait(timeout=60) == 0


def test_a_port_that_is_taken(server: Server, tmp_path: Path) -> None:
    server.digits.save(tmp_path / "digits.lith")
    port = server.http.rpartition(":")[2]
    words = [sys.executable, "-m", "lithify", "serve", str(tmp_path / "digits.lith"), "--http-port", port]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr == (
        f"Error: The port {port} of 127.0.0.1 cannot be opened for HTTP; name another by --http-port, or an address by "
        "--host.\n"
    )
