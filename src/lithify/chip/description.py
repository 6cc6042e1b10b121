"""What a chip is: a dozen numbers in a TOML file, checked, with everything else derived from them."""

import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lithify.chip.vector import STRIP, VectorShape
from lithify.errors import LithifyError

Unit = Literal["depthwise", "add", "max_pool", "lookup", "multiply", "gather"]

STREAM_UNITS: tuple[Unit, ...] = ("add", "max_pool", "lookup", "multiply")
"""With any of these the chip executes STREAM."""

VECTOR_LANES = (2, 4, 8)
"""Lanes that a vector unit may have."""

WIDTHS = (4, 8, 16, 32, 64, 128)
"""Bytes that a scratchpad word, and the bus, may have."""


class Chip(BaseModel):
    """A chip description. Every quantity names its unit; every derived quantity is a property.

    The array has `columns` dot-product units (one output channel each) of `rows` multipliers (input channels).
    A scratchpad word is `rows` bytes: what the array takes of one position in one cycle.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    schema_: Annotated[Literal[1], Field(alias="schema", description="Version of this file's format.")]
    name: Annotated[
        str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$", description="Name of the chip; a Verilog identifier.")
    ]
    clock_hz: Annotated[int, Field(ge=1_000_000, le=5_000_000_000, description="Clock frequency.")]
    rows: Annotated[
        int,
        Field(
            description="Multipliers of a column; bytes of a scratchpad word: 4, 8, 16, 32, 64 or 128.",
            json_schema_extra={"enum": list(WIDTHS)},
        ),
    ]
    columns: Annotated[int, Field(le=256, description="Dot-product columns, a multiple of `rows`.")]
    accumulators: Annotated[
        int, Field(ge=2, le=128, description="Accumulators of a column; the largest tile of positions.")
    ]
    lanes: Annotated[int, Field(ge=1, description="Post-processing lanes: results rounded a cycle; divides `rows`.")]
    scratchpad_bytes: Annotated[int, Field(ge=1024, description="Scratchpad size.")]
    scratchpad_banks: Annotated[int, Field(ge=5, le=127, description="Single-port banks of the scratchpad.")]
    bus_bytes: Annotated[
        int,
        Field(
            description="Width of the AXI4 data bus: a power of two from 4 to `rows`.",
            json_schema_extra={"enum": list(WIDTHS)},
        ),
    ]
    dram_bytes_per_cycle: Annotated[
        int, Field(ge=1, description="Bytes a cycle that DRAM moves, reads and writes together.")
    ]
    queue_depth: Annotated[int, Field(default=8, ge=2, le=64, description="Instructions that wait in each queue.")]
    activation_ports: Annotated[
        int,
        Field(
            default=1, ge=1, le=3, description="Scratchpad words that a window takes in a cycle, from as many banks."
        ),
    ]
    weight_ports: Annotated[
        int,
        Field(default=1, ge=1, le=2, description="Words of weights read in a cycle, from as many banks."),
    ]
    vector_lanes: Annotated[
        int,
        Field(
            default=0,
            description="Float32 lanes of the vector unit: 0, which builds none, 2, 4 or 8.",
            json_schema_extra={"enum": [0, *VECTOR_LANES]},
        ),
    ]
    units: Annotated[
        tuple[Unit, ...],
        Field(
            default=("depthwise", "add", "max_pool", "lookup", "multiply", "gather"),
            strict=False,
            description="Optional units that are built.",
        ),
    ]

    @model_validator(mode="after")
    def _consistent(self) -> "Chip":
        if self.rows not in WIDTHS:
            raise ValueError(f"rows is {self.rows}, but must be 4, 8, 16, 32, 64 or 128")
        if self.columns < self.rows or self.columns % self.rows:
            raise ValueError(f"columns is {self.columns}, but must be a multiple of rows, which is {self.rows}")
        if self.rows % self.lanes:
            raise ValueError(f"lanes is {self.lanes}, but must divide rows, which is {self.rows}")
        if self.bus_bytes not in WIDTHS or self.bus_bytes > self.rows:
            raise ValueError(
                f"bus_bytes is {self.bus_bytes}, but must be a power of two from 4 to rows, which is {self.rows}"
            )
        if self.dram_bytes_per_cycle > self.bus_bytes:
            raise ValueError(
                f"dram_bytes_per_cycle is {self.dram_bytes_per_cycle}, but must be at most bus_bytes, "
                f"which is {self.bus_bytes}"
            )
        bank_words, rest = divmod(self.scratchpad_bytes, self.scratchpad_banks * self.rows)
        if rest or bank_words < 2 or bank_words & (bank_words - 1):
            raise ValueError(
                f"scratchpad_bytes is {self.scratchpad_bytes}, but must be scratchpad_banks ({self.scratchpad_banks}) "
                f"x rows ({self.rows}) x a power of two"
            )
        if self.scratchpad_bytes // self.rows > 65536:
            raise ValueError(
                f"scratchpad_bytes is {self.scratchpad_bytes}, but must be at most 65536 words of {self.rows} bytes"
            )
        if self.vector_lanes and self.vector_lanes not in VECTOR_LANES:
            raise ValueError(f"vector_lanes is {self.vector_lanes}, but must be 0, 2, 4 or 8")
        if self.vector_lanes and not 4 * self.vector_lanes <= self.rows <= STRIP:
            raise ValueError(
                f"vector_lanes is {self.vector_lanes}, but that needs rows of {4 * self.vector_lanes} to {STRIP}, "
                f"and rows is {self.rows}"
            )
        return self

    @property
    def vector(self) -> VectorShape | None:
        """The vector unit; None if none is built."""
        return VectorShape(self.vector_lanes, self.word_bytes) if self.vector_lanes else None

    @property
    def word_bytes(self) -> int:
        """Bytes of a scratchpad word."""
        return self.rows

    @property
    def words(self) -> int:
        """Words of the scratchpad."""
        return self.scratchpad_bytes // self.rows

    @property
    def bank_words(self) -> int:
        """Words of one bank; a power of two."""
        return self.scratchpad_bytes // (self.rows * self.scratchpad_banks)

    @property
    def column_words(self) -> int:
        """Scratchpad words that the results of all columns for one position fill."""
        return self.columns // self.rows

    @property
    def port_bytes(self) -> int:
        """Bytes of weights that are read in a cycle."""
        return self.rows * self.weight_ports

    @property
    def word_beats(self) -> int:
        """Cycles that the post-processing lanes take for one word."""
        return self.rows // self.lanes

    @property
    def multipliers(self) -> int:
        """Multiply-accumulates a cycle."""
        return self.rows * self.columns

    def has(self, unit: Unit) -> bool:
        """Whether an optional unit is built."""
        return unit in self.units

    @property
    def streams(self) -> bool:
        """Whether the chip executes STREAM."""
        return any(self.has(unit) for unit in STREAM_UNITS)

    @property
    def second_tensor(self) -> bool:
        """Whether post-processing reads a second tensor, to add it or to multiply by it."""
        return self.has("add") or self.has("multiply")


def preset_names() -> tuple[str, ...]:
    """Names of the chips that come with Lithify."""
    folder = resources.files("lithify.chip") / "presets"
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")))


def load_chip(source: "str | Path | Chip") -> Chip:
    """The chip of a preset's name, of a TOML file, or the chip itself.

    Errors: LithifyError for an unknown name, a missing or unreadable file, an unknown key or a bad value.
    """
    if isinstance(source, Chip):
        return source
    if str(source) in preset_names():
        text = (resources.files("lithify.chip") / "presets" / f"{source}.toml").read_text(encoding="utf-8")
        return parse_chip(text, f"{source}.toml")
    path = Path(source)
    if path.suffix != ".toml":
        raise LithifyError(
            f"Unknown chip '{source}': give a preset ({', '.join(preset_names())}) "
            "or the path of a chip description ending in .toml."
        )
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise LithifyError(f"Cannot read the chip description '{path}': {reason}; give a TOML file.") from error
    return parse_chip(text, path.name)


def parse_chip(text: str, where: str) -> Chip:
    """The chip that a TOML text describes; `where` names the text in errors."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise LithifyError(f"The chip description '{where}' is not TOML: {error}.") from error
    try:
        return Chip.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        allowed = ", ".join(field.alias or name for name, field in Chip.model_fields.items())
        if first["type"] == "extra_forbidden":
            raise LithifyError(
                f"The chip description '{where}' has an unknown key '{key}'; the keys are {allowed}."
            ) from error
        if first["type"] == "missing":
            raise LithifyError(
                f"The chip description '{where}' lacks the key '{key}'; the keys are {allowed}."
            ) from error
        message = first["msg"].removeprefix("Value error, ")
        subject = f"'{key}' is {first['input']!r}: {message[0].lower()}{message[1:]}" if key else message
        raise LithifyError(f"The chip description '{where}' is not valid: {subject}.") from error


def write_chip(chip: Chip) -> str:
    """The TOML text of a chip, in the order of the keys; reading it back gives an equal chip."""
    lines = []
    for name, field in Chip.model_fields.items():
        value = getattr(chip, name)
        if isinstance(value, tuple):
            text = "[" + ", ".join(f'"{entry}"' for entry in value) + "]"
        else:
            text = f'"{value}"' if isinstance(value, str) else str(value)
        lines.append(f"{field.alias or name} = {text}  # {field.description}")
    return "\n".join(lines) + "\n"
