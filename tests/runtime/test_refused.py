"""What does not fit is refused in a sentence on every device, which then goes on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import lithify
from lithify.errors import LithifyError
from lithify.runtime.session import Session
from lithify.sim.inference import simulate

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = lithify.optimize(lithify.load(EXAMPLES / "digits_cnn.onnx"))
    path = tmp_path_factory.mktemp("saved") / "digits.lith"
    lithify.compile(lithify.quantize(model, EXAMPLES / "digits.npz"), "tiny").save(path)
    return path


def image() -> NDArray[np.float32]:
    return np.load(EXAMPLES / "digits.npz")["images_28"][:1]


WRONG: tuple[tuple[str, Any, Any, str], ...] = (
    (
        "shape", None, {"input": image()[:, :, :1]},
        "Input 'input' was given as float32 of shape (1, 1, 1, 28); it must be float32 of shape (1, 1, 28, 28).",
    ),
    (
        "type", None, {"input": image().astype(np.float64)},
        "Input 'input' was given as float64 of shape (1, 1, 28, 28); it must be float32 of shape (1, 1, 28, 28).",
    ),
    ("name", None, {"picture": image()}, "The program 'main_graph' has no input 'picture'; its inputs are: input."),
    ("nothing", None, {}, "The program 'main_graph' was not given its input 'input'; its inputs are: input."),
    (
        "output", ["scores"], {"input": image()},
        "The program 'main_graph' has no output 'scores'; its outputs are: probabilities.",
    ),
    (
        "numbers", None, {"input": image() * np.float32("nan")},
        "The input 'input' holds NaN or infinite values; give finite numbers.",
    ),
)  # fmt: skip


@pytest.mark.parametrize("device", ["sim", "timing", pytest.param("rtl", marks=pytest.mark.slow)])
def test_a_refused_request_leaves_the_device_usable(saved: Path, device: str) -> None:
    with Session(saved, device) as session:
        expected = lithify.run(saved, image())
        for what, names, feed, message in WRONG:
            with pytest.raises(LithifyError) as error:
                session.run(names, feed)
            assert str(error.value) == message, what
            assert np.array_equal(session.run(None, {"input": image()})[0], expected[0]), what
        cycles = session.submit({"input": image()}).result().cycles
        assert cycles == (None if device == "sim" else simulate(session.program).cycles)
        assert session.failed == {}
    ways = session.run, lambda _, feed: session.submit(feed), lambda _, feed: list(session.run_many(None, [feed]))
    for ask in ways:
        with pytest.raises(LithifyError, match=r"^The session is closed; open another\.$"):
            ask(None, {"input": image()})
    session.close()  # once more changes nothing


@pytest.mark.parametrize("device", ["sim", "timing", "rtl"])
def test_a_program_for_another_chip(saved: Path, device: str) -> None:
    with pytest.raises(LithifyError) as error:
        Session(saved, device, chip="edge")
    assert str(error.value) == (
        "The program 'main_graph' is for the chip 'tiny', and 'edge' differs from it; compile the network again for "
        "that chip."
    )
    with Session(saved, device, chip="tiny") as session:
        assert len(session.run(None, {"input": image()})) == 1
