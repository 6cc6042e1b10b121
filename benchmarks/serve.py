"""The server under load: requests of concurrent clients over HTTP and gRPC, each answer compared, latencies.

    python benchmarks/serve.py --requests 10000 --clients 16

Needs the extras serve and test-frameworks (tritonclient). The server is a process of its own with `--device sim:0-1`.
"""

import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import click
import numpy as np

import lithify

EXAMPLES = Path(__file__).parents[1] / "examples"


@click.command()
@click.option("--requests", default=10_000)
@click.option("--clients", default=16)
@click.option("--device", default="sim:0-1")
def main(requests: int, clients: int, device: str) -> None:
    """Half of the clients speak HTTP, half gRPC. Fails where an answer is lost or wrong."""
    model = lithify.optimize(lithify.load(EXAMPLES / "digits_cnn.onnx"))
    program = lithify.compile(lithify.quantize(model, EXAMPLES / "digits.npz"), "tiny")
    images = np.load(EXAMPLES / "digits.npz")["images_28"]
    expected = [program.run(image)[0] for image in images]
    with tempfile.TemporaryDirectory() as folder:
        program.save(Path(folder) / "digits.lith")
        command = [sys.executable, "-m", "lithify", "serve", f"{folder}/digits.lith", "--device", device, "--json"]
        with subprocess.Popen([*command, "--http-port", "0", "--grpc-port", "0"], stdout=subprocess.PIPE) as server:
            assert server.stdout is not None
            where = json.loads(server.stdout.readline())
            begin = time.perf_counter()
            figures = _load(where, program, images, expected, requests, clients)
            seconds = time.perf_counter() - begin
            server.terminate()
            status = server.wait()
    lost = requests - sum(len(times) for times, _ in figures.values())
    wrong = sum(wrong for _, wrong in figures.values())
    print(f"{requests:,} requests of {clients} clients on {device}: {lost} lost, {wrong} wrong, "
          f"{requests / seconds:,.0f} a second; the server ended with status {status}")  # fmt: skip
    for way, (times, _) in figures.items():
        low, high = np.percentile(np.array(times) * 1000, [50, 99])
        print(f"{way}: p50 {low:.1f} ms, p99 {high:.1f} ms")
    if lost or wrong or status:
        raise SystemExit(1)


def _load(
    where: Any, program: Any, images: Any, expected: Any, requests: int, clients: int
) -> dict[str, tuple[list[float], int]]:
    """By protocol: the seconds of every answer, and how many were wrong."""
    import tritonclient.grpc as grpc
    import tritonclient.http as http

    figures: dict[str, tuple[list[float], int]] = {"HTTP": ([], 0), "gRPC": ([], 0)}
    lock = threading.Lock()

    def work(number: int) -> None:
        module, way = ((http, "HTTP"), (grpc, "gRPC"))[number % 2]
        url = where["http"].removeprefix("http://") if way == "HTTP" else where["grpc"]
        client, times, wrong = module.InferenceServerClient(url), list[float](), 0
        for index in range(number, requests, clients):
            chosen = index % len(images)
            entry = module.InferInput(program.inputs[0], [1, *images.shape[1:]], "FP32")
            entry.set_data_from_numpy(images[chosen][None])
            begin = time.perf_counter()
            found = client.infer("digits", [entry]).as_numpy(program.outputs[0])
            times.append(time.perf_counter() - begin)
            wrong += not np.array_equal(found, expected[chosen])
        with lock:
            figures[way] = figures[way][0] + times, figures[way][1] + wrong

    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return figures


if __name__ == "__main__":
    main()
