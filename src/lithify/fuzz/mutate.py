"""Damaged files: ONNX models, programs and chip descriptions with something changed, from a bit to a whole field."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import onnx
from numpy.random import Generator

from lithify.isa.file import open_sections, seal

Change = Callable[[bytes, Generator], bytes]


@dataclass(frozen=True)
class Kind:
    """A kind of file, and the ways to damage one."""

    name: str
    ending: str
    changes: tuple[Change, ...]


def cut(data: bytes, random: Generator) -> bytes:
    """Its end gone."""
    return data[: int(random.integers(0, len(data)))]


def flip(data: bytes, random: Generator) -> bytes:
    """A few bytes others."""
    changed = bytearray(data)
    for _ in range(int(random.integers(1, 9))):
        if changed:
            changed[int(random.integers(len(changed)))] = int(random.choice([0, 255, int(random.integers(256))]))
    return bytes(changed)


def move(data: bytes, random: Generator) -> bytes:
    """A piece gone, twice, or elsewhere."""
    first, end = sorted(int(place) for place in random.integers(0, len(data) + 1, 2))
    end = min(end, first + 200)
    piece, at = data[first:end], int(random.integers(0, len(data) + 1))
    rest = data[:first] + data[end:] if random.integers(0, 2) else data
    return rest[:at] + piece + rest[at:] if random.integers(0, 2) else rest


WORDS = ("", "0", "-1", "1", "3", "7", "1e9", "4294967296", "99999999999999999999", "nan", "true", "[]", '"x"', "x = 1")


def words(data: bytes, random: Generator) -> bytes:
    """A number or word of a text another."""
    text = data.decode("utf-8", "replace")
    found = list(re.finditer(r"[\w.\-]+", text))
    if not found:
        return data
    place = found[int(random.integers(len(found)))]
    new = str(random.choice([*WORDS, *(entry.group() for entry in found[:40])]))
    return (text[: place.start()] + new + text[place.end() :]).encode()


def lines(data: bytes, random: Generator) -> bytes:
    """A line of a text gone, or twice."""
    rows = data.split(b"\n")
    at = int(random.integers(len(rows)))
    return b"\n".join(rows[:at] + rows[at : at + 1] * int(random.choice([0, 2])) + rows[at + 1 :])


INTEGERS = (-(2**63), -(2**31), -7, -1, 0, 1, 2, 3, 5, 17, 255, 4096, 2**31 - 1, 2**40)


def field(data: bytes, random: Generator) -> bytes:
    """A field of an ONNX model another value: a dimension, attribute, name, type, operator, node or initializer."""
    model = onnx.ModelProto.FromString(data)
    graph = model.graph
    integer = int(random.choice(INTEGERS))

    def one(entries: object) -> object:
        known = list(entries)  # type: ignore[call-overload]
        return known[int(random.integers(len(known)))] if known else None

    match int(random.integers(0, 11)):
        case 0:
            value = one([*graph.input, *graph.output])
            dim = one(value.type.tensor_type.shape.dim) if value is not None else None  # type: ignore[attr-defined]
            if dim is not None:
                dim.dim_value = integer  # type: ignore[attr-defined]
        case 1:
            node = one(graph.node)
            attribute = one(node.attribute) if node is not None else None  # type: ignore[attr-defined]
            if attribute is not None and attribute.ints:  # type: ignore[attr-defined]
                attribute.ints[int(random.integers(len(attribute.ints)))] = integer  # type: ignore[attr-defined]
            elif attribute is not None:
                attribute.i = integer  # type: ignore[attr-defined]
        case 2:
            node = one(graph.node)
            attribute = one(node.attribute) if node is not None else None  # type: ignore[attr-defined]
            if attribute is not None:
                attribute.type = int(random.integers(0, 13))  # type: ignore[attr-defined]
        case 3:
            node = one(graph.node)
            if node is not None:
                operators = ["Conv", "Relu", "MatMul", "Loop", "Nothing", "", "Concat", "Pad", "Resize", "Softmax"]
                node.op_type = str(random.choice(operators))  # type: ignore[attr-defined]
        case 4:
            node = one(graph.node)
            if node is not None and node.input:  # type: ignore[attr-defined]
                names = [name for other in graph.node for name in (*other.input, *other.output)]
                node.input[0] = str(random.choice([*names, "", "missing"]))  # type: ignore[attr-defined]
        case 5:
            tensor = one(graph.initializer)
            if tensor is not None:
                tensor.data_type = int(random.integers(0, 24))  # type: ignore[attr-defined]
        case 6:
            tensor = one(graph.initializer)
            if tensor is not None:
                tensor.dims[:] = [*tensor.dims, integer][int(random.integers(0, 2)) :]  # type: ignore[attr-defined]
        case 7:
            tensor = one(graph.initializer)
            if tensor is not None:
                tensor.raw_data = flip(tensor.raw_data, random)  # type: ignore[attr-defined]
        case 8:
            del graph.node[int(random.integers(len(graph.node)))]
        case 9:
            value = one([*graph.input, *graph.output])
            if value is not None:
                value.type.tensor_type.elem_type = int(random.integers(0, 24))  # type: ignore[attr-defined]
        case _:
            model.opset_import[0].version = integer
    return bytes(model.SerializeToString())


def resealed(data: bytes, random: Generator) -> bytes:
    """A word of a program's chip description or map another, with digests that fit again."""
    name, contents = open_sections(data, "program")
    section = str(random.choice(["chip", "map"]))
    return seal(name, {**contents, section: words(contents[section], random)})


KINDS = (
    Kind("model", ".onnx", (cut, flip, move, field, field, field)),
    Kind("program", ".lith", (cut, flip, move, resealed, resealed)),
    Kind("chip", ".toml", (cut, flip, move, words, words, lines)),
)
