"""Which compute instructions must wait until all earlier ones have retired."""

from lithify.compiler.tokens import RETIRE_BEATS, SerialStep, serial_flags


def step(activations: int, results: int, beats: int, residual: int = 0) -> SerialStep:
    return SerialStep(activations, residual, results, beats, stream=False)


def test_the_beats_of_the_instruction_just_before_may_all_be_to_come() -> None:
    writes, between, reads = step(1, 2, 8), step(1, 4, 1000), step(2, 8, 8)
    # The feeder takes the third as soon as the second begins to be drained, right behind the first one's last beat.
    assert serial_flags((writes, between, reads)) == (False, False, True)
    assert serial_flags((writes, step(1, 4, RETIRE_BEATS), between, reads)) == (False, False, False, False)
