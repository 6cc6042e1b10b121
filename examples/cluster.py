"""A network on several chips, whole on each, a stage on each or each layer on all: `python examples/cluster.py`."""

from pathlib import Path

import numpy as np

import lithify
from lithify.cluster import Cluster, data_parallel, pipeline, plan, tensor_parallel

HERE = Path(__file__).parent


def main() -> None:
    """Every way on two chips, their bits, what limits them, and which is the best for latency."""
    image = np.load(HERE / "digits.npz")["images_32"][:1]
    model = lithify.quantize(lithify.optimize(lithify.load(HERE / "digits_mobilenet.onnx")), HERE / "digits.npz")
    cluster = Cluster(chip="tiny", chips=2, topology="ring")  # or load_cluster("cluster.toml")
    expected = lithify.compile(model, chip="tiny").run(image)[0]

    for made in (data_parallel(model, cluster), pipeline(model, cluster), tensor_parallel(model, cluster)):
        (scores,) = made.run({model.graph.inputs[0].name: image})
        assert np.array_equal(scores, expected), "the bits are those of one chip"
        print(f"{made.parallelism}: {made.speed_up:.2f} times one chip's rate, an answer after "
              f"{made.latency:,} cycles; what limits: {made.timing.limit}")  # fmt: skip
    print(*plan([model], cluster, goal="latency").reasons, sep="\n")


if __name__ == "__main__":
    main()
