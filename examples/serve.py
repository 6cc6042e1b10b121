"""A server and its clients: `python examples/serve.py` (needs the extra `serve`, and `tritonclient[http,grpc]`).

What a shell does: `lithify serve digits.lith --device sim:0-1`, and any client of the Open Inference Protocol.
"""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import urlopen

import numpy as np
import tritonclient.grpc
import tritonclient.http

import lithify

HERE = Path(__file__).parent


def main() -> None:
    """Starts the server, asks it over HTTP and over gRPC, reads its metrics, ends it."""
    images = np.load(HERE / "digits.npz")["images_28"]
    model = lithify.optimize(lithify.load(HERE / "digits_cnn.onnx"))
    program = lithify.compile(lithify.quantize(model, HERE / "digits.npz"), chip="tiny")
    with TemporaryDirectory() as folder:
        program.save(f"{folder}/digits.lith")
        words = ["serve", f"{folder}/digits.lith", "--device", "sim:0-1", "--http-port", "0", "--grpc-port", "0"]
        with subprocess.Popen([sys.executable, "-m", "lithify", *words, "--json"], stdout=subprocess.PIPE) as server:
            assert server.stdout is not None
            where = json.loads(server.stdout.readline())  # the ports that were free
            try:
                for module, address in (
                    (tritonclient.http, where["http"].removeprefix("http://")),
                    (tritonclient.grpc, where["grpc"]),
                ):
                    client = module.InferenceServerClient(address)
                    x = module.InferInput("input", [1, 1, 28, 28], "FP32")
                    x.set_data_from_numpy(images[:1])
                    scores = client.infer("digits", [x]).as_numpy("probabilities")
                    assert np.array_equal(scores, program.run(images[0])[0])
                    print(f"{module.__name__}: the digit is a {scores.argmax()}")
                    client.close()
                metrics = urlopen(f"{where['http']}/metrics").read().decode()
                print(*(line for line in metrics.splitlines() if line.startswith("lithify_requests_total")), sep="\n")
            finally:
                server.terminate()
        print(f"the server ended with status {server.returncode}")


if __name__ == "__main__":
    main()
