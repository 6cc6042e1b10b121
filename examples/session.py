"""A compiled network in use, as one of ONNX Runtime: `python examples/session.py [sim | timing | rtl | asic:0 ...]`."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import lithify

HERE = Path(__file__).parent


def main(device: str = "sim") -> None:
    """Compiles, saves, opens, runs."""
    images = np.load(HERE / "digits.npz")["images_28"]
    model = lithify.optimize(lithify.load(HERE / "digits_cnn.onnx"))
    program = lithify.compile(lithify.quantize(model, HERE / "digits.npz"), chip="tiny")

    for found in lithify.list_devices():
        print(f"{found.name:10} {found.description}" if found.available else f"{found.name:10} missing: {found.remark}")

    with TemporaryDirectory() as folder:
        program.save(f"{folder}/digits.lith")  # from here on neither model nor compiler is needed
        with lithify.Session(f"{folder}/digits.lith", device=device) as session:
            (x,), (y,) = session.get_inputs(), session.get_outputs()
            print(f"takes {x.name} {x.shape} {x.type}, gives {y.name} {y.shape} {y.type}")

            (scores,) = session.run(None, {x.name: images[:1]})
            print(f"the digit is a {scores.argmax()}")

            outcome = session.submit({x.name: images[1:2]}).result()  # a Future: many may be under way
            print(f"the next one a {outcome.outputs[0].argmax()}, after {outcome.cycles or 'uncounted'} cycles")

            try:
                session.run(None, {x.name: images[:1, :, :5]})
            except lithify.LithifyError as error:
                print(error)  # and the session goes on
            assert np.array_equal(session.run(None, {x.name: images[:1]})[0], scores)


if __name__ == "__main__":
    main(*sys.argv[1:])
