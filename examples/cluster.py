"""A network on several chips, whole on each or a stage on each: `python examples/cluster.py`."""

from pathlib import Path

import numpy as np

import lithify
from lithify.cluster import Cluster, data_parallel, pipeline

HERE = Path(__file__).parent


def main() -> None:
    """Both ways on two chips, their bits, and what limits them."""
    image = np.load(HERE / "digits.npz")["images_32"][:1]
    model = lithify.quantize(lithify.optimize(lithify.load(HERE / "digits_mobilenet.onnx")), HERE / "digits.npz")
    cluster = Cluster(chip="tiny", chips=2, topology="ring")  # or load_cluster("cluster.toml")
    expected = lithify.compile(model, chip="tiny").run(image)[0]

    for plan in (data_parallel(model, cluster), pipeline(model, cluster)):
        (scores,) = plan.run({plan.programs[0].inputs[0]: image})
        assert np.array_equal(scores, expected), "the bits are those of one chip"
        print(f"{plan.parallelism}: {plan.speed_up:.2f} times one chip's rate, an answer after "
              f"{plan.timing.latency:,} cycles; what limits: {plan.timing.limit}")  # fmt: skip


if __name__ == "__main__":
    main()
