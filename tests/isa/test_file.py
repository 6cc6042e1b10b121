"""The program file: what is saved is loaded again, and anything else is refused in one sentence."""

import mmap
import os
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from isa.saved_program import PREPROCESSING, program
from lithify.errors import LithifyError
from lithify.isa.file import ALIGNMENT, FORMAT_VERSION, from_bytes, load_program, save, to_bytes
from lithify.isa.operations import ISA_VERSION


def refused(data: bytes) -> str:
    with pytest.raises(LithifyError) as caught:
        from_bytes(data, "net.lith")
    return str(caught.value)


def test_a_saved_program_is_loaded_equal(tmp_path: Path) -> None:
    path = tmp_path / "net.lith"
    save(program(), path)
    assert load_program(path) == program()
    assert [entry.name for entry in tmp_path.iterdir()] == ["net.lith"]


def test_the_constants_of_a_large_program_stay_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lithify.isa.file.MAPPED", 1000)
    path = tmp_path / "net.lith"
    save(program(), path)
    loaded = load_program(path)
    assert isinstance(loaded.constants, memoryview) and isinstance(loaded.constants.obj, mmap.mmap)
    assert loaded.constants.readonly and loaded == program()
    assert not np.frombuffer(loaded.constants, np.uint8).flags.writeable
    save(loaded, tmp_path / "again.lith")
    assert (tmp_path / "again.lith").read_bytes() == path.read_bytes()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(LithifyError, match="is damaged: it ends after"):
        load_program(path)


def test_saving_replaces_an_older_file_and_equal_programs_give_equal_files(tmp_path: Path) -> None:
    path = tmp_path / "net.lith"
    path.write_bytes(b"older")
    save(program(), path)
    assert path.read_bytes() == to_bytes(program())


def test_sections_are_aligned() -> None:
    data = to_bytes(program())
    for block in (program().constants, program().instructions, program().segments[2].model):
        assert data.index(block) % ALIGNMENT == 0


def test_an_unwritable_folder_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(LithifyError) as caught:
        save(program(), tmp_path / "none" / "net.lith")
    assert str(caught.value) == (
        f"Cannot write the program '{tmp_path / 'none' / 'net.lith'}': No such file or directory; "
        "give a file name in a folder you may write to."
    )
    (tmp_path / "net.lith").mkdir()
    with pytest.raises(LithifyError, match="Is a directory"):
        save(program(), tmp_path / "net.lith")
    assert os.listdir(tmp_path) == ["net.lith"]


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LithifyError) as caught:
        load_program(tmp_path / "none.lith")
    assert str(caught.value) == (
        f"Cannot read the program '{tmp_path / 'none.lith'}': No such file or directory; "
        "give a .lith file that Lithify compiled."
    )


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 a zip file", b"\x08\x07\x12\x07pytorch", b"text\n" * 100])
def test_a_foreign_file_is_refused(data: bytes) -> None:
    assert refused(data) == "The file 'net.lith' is no Lithify program; give a .lith file that Lithify compiled."


@pytest.mark.parametrize(
    ("offset", "what", "known"), [(8, "the file format", FORMAT_VERSION), (12, "the instruction set", ISA_VERSION)]
)
def test_another_version_is_refused(offset: int, what: str, known: int) -> None:
    data = bytearray(to_bytes(program()))
    for given, advice in ((known + 1, "install a newer Lithify"), (known - 1, "compile the network again")):
        struct.pack_into("<I", data, offset, given)
        assert refused(bytes(data)) == (
            f"The program 'net.lith' has version {given} of {what}, but this Lithify knows version {known}; {advice}."
        )


AGAIN = "copy it again from where it came, or compile the network again."


def test_a_truncated_file_is_refused() -> None:
    data = to_bytes(program())
    assert refused(data[:5]) == f"The program 'net.lith' is damaged: it ends after 5 bytes, inside its header; {AGAIN}"
    assert refused(data[:300]) == (
        f"The program 'net.lith' is damaged: it ends after 300 bytes, inside its header; {AGAIN}"
    )
    for size in (len(data) - 1, len(data) - 500):
        assert refused(data[:size]) == (
            f"The program 'net.lith' is damaged: it ends after {size} bytes of {len(data)}; {AGAIN}"
        )
    assert refused(data + b"\0") == (
        f"The program 'net.lith' is damaged: it goes on after its {len(data)} bytes; {AGAIN}"
    )


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (b'"sections"', "its header does not match its digest"),
        (b"clock_hz", "its section 'chip' does not match its digest"),
        (program().instructions, "its section 'instructions' does not match its digest"),
        (program().constants, "its section 'constants' does not match its digest"),
        (b'"aliases"', "its section 'map' does not match its digest"),
        (b"\x00onnx\xff", "its section 'host_model_0' does not match its digest"),
        (b'"stated"', "its section 'preprocessing' does not match its digest"),
    ],
)
def test_a_flipped_bit_is_refused_by_the_name_of_its_section(text: bytes, where: str) -> None:
    data = bytearray(to_bytes(program()))
    data[data.index(text) + 1] ^= 0x10
    assert refused(bytes(data)) == f"The program 'net.lith' is damaged: {where}; {AGAIN}"


def test_a_flipped_bit_between_sections_is_refused() -> None:
    data = bytearray(to_bytes(program()))
    data[data.index(b'{"inputs"') - 1] ^= 1
    assert refused(bytes(data)) == (
        "The program 'net.lith' is damaged: the bytes before its section 'map' are not zero; " + AGAIN
    )


def test_every_flipped_bit_is_refused() -> None:
    data = to_bytes(program())
    generator = np.random.default_rng(0)
    for position in generator.choice(len(data), 400, replace=False):
        damaged = bytearray(data)
        damaged[position] ^= 1 << int(generator.integers(8))
        refused(bytes(damaged))


def test_random_mutations_give_no_other_error() -> None:
    data = to_bytes(program())
    generator = np.random.default_rng(1)
    for _ in range(300):
        start, end = sorted(int(entry) for entry in generator.integers(0, len(data), 2))
        middle = generator.bytes(int(generator.integers(0, 40)))
        mutated = data[:start] + middle + data[end:]
        if mutated != data:
            refused(mutated)


@pytest.mark.parametrize("old, new", [(b'"fused"', b'"fuzed"'), (b'"offset":0', b'"offset":X'), (b"INPUTS", b"IMPUTS")])
def test_contents_that_do_not_fit_together_are_refused(monkeypatch: pytest.MonkeyPatch, old: bytes, new: bytes) -> None:
    # A file with right digests over wrong contents: written by something that is not this Lithify.
    from lithify.isa import file

    class Wrong:
        def dump_json(self, value: object) -> bytes:
            return real.dump_json(value).replace(old, new)

    real = file._MAP_JSON
    monkeypatch.setattr(file, "_MAP_JSON", Wrong())
    data = to_bytes(program())
    monkeypatch.undo()
    assert refused(data) == f"The program 'net.lith' is damaged: its contents do not fit together; {AGAIN}"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("{", "its preprocessing is not readable"),
        ('{"input": "x"}', "its preprocessing is not readable"),
        (PREPROCESSING.to_json().replace('"RGB"', '"CMY"'), "its preprocessing is not readable"),
        (
            replace(PREPROCESSING, input="w").to_json(),
            "its preprocessing is for an input 'w' that it does not have",
        ),
    ],
)
def test_a_preprocessing_that_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch, text: str, where: str) -> None:
    monkeypatch.setattr("lithify.preprocessing.Chain.to_json", lambda chain: text)
    assert refused(to_bytes(program())) == f"The program 'net.lith' is damaged: {where}; {AGAIN}"


def test_a_program_without_preprocessing() -> None:
    plain = replace(program(), preprocessing=None)
    assert from_bytes(to_bytes(plain), "net.lith") == plain
