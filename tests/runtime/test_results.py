"""The result stream, scattered to tensors and traced back to elements."""

from dataclasses import replace

import numpy as np
import pytest

from lithify.errors import LithifyError
from lithify.isa import encode, instruction
from lithify.isa.program import ChipSegment, Program, Result, TensorInfo
from lithify.isa.stream import ResultStream
from lithify.isa.vector import A, Micro, Stream, VectorInstruction
from lithify.reference.evaluate import run as run_reference
from lithify.runtime import run
from lithify.runtime.results import element_of, scatter
from lithify.verify.difference import writer_of


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


def test_rows_of_the_vector_unit_are_pixels(compiled) -> None:
    """Two instructions of a tensor of 10 channels and 3 x 5 pixels: pixels 1 to 7, and 8 to 14 of channels 2 to 9."""
    chip = compiled.program.chip.model_copy(update={"vector_lanes": 2})
    store = (Micro(a=A.STREAM, first=1, last=1, store=1),)
    assert chip.vector is not None
    code = [
        VectorInstruction(0, rows, columns, store, y=Stream(900, 2)).encoded(chip.vector)
        for rows, columns in ((7, 10), (7, 8))
    ]
    text = encode([*code, instruction("END")])
    results = (Result(0, "one", "t", 0, 1, 0), Result(1, "two", "t", 1, 3, 2))
    program = Program(
        "rows", chip, (), (), {"t": TensorInfo("t", (1, 10, 3, 5), "int8", 1.0)},
        (ChipSegment("chip", 0, len(text), (), ()),), text, b"", {}, results, (), {}, (),
    )  # fmt: skip
    (segment,) = program.segments
    words = np.random.default_rng(0).integers(-128, 128, (14 + 7, 8)).astype(np.int8)
    found = scatter(program, segment, ResultStream(np.zeros(21, np.int32), words))["t"]
    pixels = found.data[0].transpose(1, 2, 0).reshape(15, 10)
    assert np.array_equal(pixels[1:8], words[:14].reshape(7, 16)[:, :10])
    assert np.array_equal(pixels[8:, 2:], words[14:])
    assert found.covered.sum() == 70 + 56 and not found.covered[0, :, 0, 0].any()
    for word in range(21):
        for byte in range(8):
            element = element_of(program, segment, word, byte)
            assert (element.layer, element.operation) == (("one", "two")[word >= 14], "VECTOR")
            if element.index is None:
                assert word < 14 and word % 2 and byte >= 2
                continue
            assert found.data[element.index] == words[word, byte]
            assert writer_of(program, "t", element.index)[0] == element.layer
    assert writer_of(program, "t", (0, 0, 0, 0)) == ("", "")
    with pytest.raises(LithifyError, match=r"^The result stream of segment 'chip' has 20 words, but its instructions"):
        scatter(program, segment, ResultStream(np.zeros(20, np.int32), words[1:]))
