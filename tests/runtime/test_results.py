"""The result stream, scattered to tensors and traced back to elements."""

from dataclasses import replace

import numpy as np
import pytest

from lithify.errors import LithifyError
from lithify.isa.program import Result
from lithify.isa.stream import ResultStream
from lithify.reference.evaluate import run as run_reference
from lithify.runtime import run
from lithify.runtime.results import element_of, scatter


def test_every_intermediate_tensor_equals_the_reference(compiled) -> None:
    expected = run_reference(compiled.graph, {"x": compiled.x})
    outcome = run(compiled.program, [compiled.x])
    (chip,) = outcome.segments
    found = scatter(compiled.program, chip.segment, chip.result.results)
    assert set(found) == {"c", "p"}
    for name, entry in found.items():
        assert entry.covered.all()
        assert np.array_equal(entry.data, expected[name])


def test_every_byte_is_traced_to_its_element(compiled) -> None:
    expected = run_reference(compiled.graph, {"x": compiled.x})
    (chip,) = run(compiled.program, [compiled.x]).segments
    words = chip.result.results.words
    seen = {"c": set(), "p": set()}
    for word in range(len(words)):
        for byte in range(8):
            element = element_of(compiled.program, chip.segment, word, byte)
            if element.index is None:
                continue
            seen[element.tensor].add(element.index)
            assert words[word, byte] == expected[element.tensor][element.index]
    assert {name: len(entries) for name, entries in seen.items()} == {"c": 240, "p": 48}
    first = element_of(compiled.program, chip.segment, 0, 1)
    assert (first.instruction, first.operation, first.layer, first.index) == (2, "CONV", "conv", (0, 1, 0, 0))
    with pytest.raises(LithifyError) as caught:
        element_of(compiled.program, chip.segment, 48, 0)
    assert str(caught.value) == "The result stream of segment 'chip' has no word 48; its instructions write 48."


def test_a_region_covers_only_itself(compiled) -> None:
    program = replace(compiled.program, results=(Result(2, "conv", "c", 2, 1, 8), Result(3, "pool", "p", 0, 0, 0)))
    (chip,) = run(compiled.program, [compiled.x]).segments
    found = scatter(program, chip.segment, chip.result.results)["c"]
    inside = np.zeros((1, 12, 5, 4), bool)
    inside[:, 8:, 2:, 1:] = True
    assert np.array_equal(found.covered, inside)
    element = element_of(program, chip.segment, 0, 3)
    assert element.index == (0, 11, 2, 1)


def test_a_stream_of_another_program_is_refused(compiled) -> None:
    (chip,) = run(compiled.program, [compiled.x]).segments
    stream = chip.result.results
    with pytest.raises(LithifyError) as caught:
        scatter(compiled.program, chip.segment, ResultStream(stream.addresses[1:], stream.words[1:]))
    assert str(caught.value) == ("The result stream of segment 'chip' has 47 words, but its instructions write 48.")
    with pytest.raises(LithifyError) as caught:
        scatter(replace(compiled.program, results=compiled.program.results[:1]), chip.segment, stream)
    assert str(caught.value) == (
        "The program 'hand' does not say what its instruction 3 (STREAM) writes; compile the network again."
    )
