"""One program on several chips, one of which breaks: `python examples/several_devices.py`."""

from pathlib import Path
from threading import Thread

import numpy as np

import lithify
from lithify.runtime.bus import ChipFailure

HERE = Path(__file__).parent


def main() -> None:
    """Many inputs in order, then from several threads; then a chip less."""
    images = np.load(HERE / "digits.npz")["images_28"][:60]
    model = lithify.optimize(lithify.load(HERE / "digits_cnn.onnx"))
    program = lithify.compile(lithify.quantize(model, HERE / "digits.npz"), chip="tiny")
    expected = program.run(images)[0]

    with lithify.Session(program, device="sim:0-3") as session:  # boards: "fpga:/dev/ttyUSB0,fpga:/dev/ttyUSB1"
        feeds = [{"input": image[None]} for image in images]
        in_order = [scores for (scores,) in session.run_many(None, feeds)]  # every chip is kept busy
        assert np.array_equal(np.concatenate(in_order), expected)
        print("answered:", dict(session.answered))

        _break_one(session)
        threads = [Thread(target=session.run, args=(None, feed)) for feed in feeds]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(f"failed: {dict(session.failed)}; moved to other chips: {session.moved}")
        print(f"answered: {sum(session.answered.values())} of {2 * len(images)}; left: {session.rate:.0f} a second")


def _break_one(session: lithify.Session) -> None:
    """From now on the third chip does what a chip with a broken cable does."""

    def broken(*_: object, **__: object) -> None:
        raise ChipFailure("the cable is out")

    machine = session._pool.machines[2]  # nothing that is meant for use; real chips break by themselves
    object.__setattr__(machine.device, "run_segment", broken)


if __name__ == "__main__":
    main()
