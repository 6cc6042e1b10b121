"""Which compute instructions must wait until all earlier ones have retired."""

from lithify.compiler.instructions.tokens import RETIRE_BEATS, SerialStep, serial_flags


def step(activations: int, results: int, beats: int, residual: int = 0, words: int = 1) -> SerialStep:
    return SerialStep(activations, residual, results, words, beats, stream=False)


def test_the_beats_of_the_instruction_just_before_may_all_be_to_come() -> None:
    writes, between, reads = step(1, 2, 8), step(1, 4, 1000), step(2, 8, 8)
    # The feeder takes the third as soon as the second begins to be drained, right behind the first one's last beat.
    assert serial_flags((writes, between, reads)) == (False, False, True)
    assert serial_flags((writes, step(1, 4, RETIRE_BEATS), between, reads)) == (False, False, False, False)


def test_what_was_written_while_another_instruction_was_fed_is_there() -> None:
    writes, reads = step(1, 2, 100), step(2, 8, 8)
    assert serial_flags((writes, step(1, 4, 8, words=100 + RETIRE_BEATS), reads)) == (False, False, False)
    assert serial_flags((writes, step(1, 4, 8, words=99 + RETIRE_BEATS), reads)) == (False, False, True)


def test_results_may_go_where_earlier_instructions_read() -> None:
    # They are written behind all that is fed, and are drained in order.
    assert serial_flags((step(1, 2, 8, residual=16), step(4, 1, 8), step(8, 16, 8))) == (False, False, False)
    assert serial_flags((step(1, 2, 8), step(4, 8, 8, residual=2))) == (False, True)
