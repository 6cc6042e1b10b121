"""A process kit: where its files are and what its memory macros are called."""

import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from lithify.errors import LithifyError
from lithify.silicon.liberty import cell_area


class Macro(BaseModel):
    """A single-port memory of `words` words of `bits` bits, written in whole words."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    words: int
    bits: int


class Corner(BaseModel):
    """Liberty files of one corner, relative to the kit's folder; `macros` names a macro's file, if there is one."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    cells: str
    macros: str | None = None


class Tied(BaseModel):
    """A pin that keeps one level. bits: how wide, where it is no single bit: of a word, an address, a word's bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    pin: str
    bits: Literal["word", "address", "bytes"] | None = None

    def width(self, macro: Macro) -> int:
        """Bits of the pin on a macro."""
        address = (macro.words - 1).bit_length()
        return {None: 1, "word": macro.bits, "address": address, "bytes": macro.bits // 8}[self.bits]


class MacroPins(BaseModel):
    """Names of a macro's pins; `ones` and `zeros` are tied.

    low: those of `enable`, `write` and `read` that act while they are 0. read: None where a macro reads whenever it is
    enabled and does not write.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    clock: str
    enable: str
    write: str
    read: str | None = None
    address: str
    data_in: str
    data_out: str
    low: tuple[Literal["enable", "write", "read"], ...] = ()
    ones: tuple[Tied, ...] = ()
    zeros: tuple[Tied, ...] = ()

    @field_validator("ones", "zeros", mode="before")
    @classmethod
    def _single_bits(cls, value: Any) -> Any:
        """A name alone is a pin of one bit."""
        return [{"pin": entry} if isinstance(entry, str) else entry for entry in value]

    def level(self, role: Literal["enable", "write", "read"], wire: str) -> str:
        """The expression that drives a pin which is to act while `wire` is 1."""
        return f"!({wire})" if role in self.low else wire


class ClockGate(BaseModel):
    """A clock gate with a latch: its cell, and its pins; `output` is the clock that it lets through."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    cell: str
    enable: str
    clock: str
    output: str


class RouteNames(BaseModel):
    """What placement and routing by packages needs (`lithify.silicon.route`); files relative to the kit's folder.

    technology, outlines, cells: the LEF files of layers and of cells, and the cells' GDS. pins: the layer of the cells'
    pins; access: the one above, for stubs on them; wires: those above, the first horizontal; cuts: between all of
    these, from below. cut: side of a cut; pad: how far metal reaches beyond it along a wire and across; pin_pad: the
    same at a pin. Micrometres. gds: layer -> its number. site: width of a placement site. fillers: from wide to narrow.
    clock_buffer: for the clock tree, its input and output pins.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    technology: str
    outlines: str
    cells: str
    pins: str
    access: str
    wires: tuple[str, ...]
    cuts: tuple[str, ...]
    cut: float
    pad: tuple[float, float]
    pin_pad: tuple[float, float]
    gds: Mapping[str, int]
    site: float
    fillers: tuple[str, ...]
    clock_buffer: tuple[str, str, str]


class LayoutNames(BaseModel):
    """What a layout needs beside synthesis; files relative to the kit's folder, `{macro}` a macro's name.

    librelane, cells: the kit and its cell library as LibreLane calls them; orfs: the platform of
    OpenROAD-flow-scripts. macro_power, macro_ground: a macro's supply pins. row: height of a row of cells, micrometres.
    route: None where the kit is not described for placement and routing by packages.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    librelane: str
    cells: str
    orfs: str
    macro_lef: str
    macro_gds: str
    macro_power: tuple[str, ...]
    macro_ground: str
    row: float
    route: RouteNames | None = None


class Kit(BaseModel):
    """A kit as its TOML file describes it. `folder` is where the user has it; `marker` is a file that must be there.

    tested: Lithify's own tests run with it. clock_gate: None where the kit has none, and all clocks run always.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    folder: Path
    marker: str
    tested: bool = False
    driving_cell: str
    tie_high: str
    tie_low: str
    nand2: str
    clock_gate: ClockGate | None = None
    corners: Mapping[str, Corner]
    macros: Annotated[tuple[Macro, ...], Field(default=())]
    macro_pins: MacroPins | None = None
    layout: LayoutNames | None = None

    def cells(self, corner: str) -> Path:
        """The standard cells' liberty file of a corner."""
        return self.folder / self.corner(corner).cells

    def macro_library(self, corner: str, macro: str) -> Path | None:
        """The liberty file of a macro in a corner, or None where the kit has none."""
        pattern = self.corner(corner).macros
        return None if pattern is None else self.folder / pattern.format(macro=macro)

    @property
    def nand2_area(self) -> float:
        """Square micrometres of the NAND2 that gate counts are in."""
        return cell_area(self.cells("typical"), self.nand2)

    def require(self, name: str) -> None:
        """Refuse a corner that the kit does not have, or whose files are not in its folder."""
        files = [self.cells(name), *(self.macro_library(name, macro.name) for macro in self.macros)]
        missing = [file for file in files if file is not None and not file.is_file()]
        if missing:
            raise LithifyError(
                f"The kit in '{self.folder}' lacks the file '{missing[0].relative_to(self.folder)}' of the corner "
                f"'{name}'; name the folder of the whole kit, or other corners."
            )

    def corner(self, name: str) -> Corner:
        """A corner by name."""
        if name not in self.corners:
            raise LithifyError(
                f"The kit '{self.name}' has no corner '{name}'; its corners are {', '.join(self.corners)}."
            )
        return self.corners[name]


DESCRIPTION = "kit.toml"
"""A kit of the user's own is described in this file in its folder."""


def load_kit(folder: Path) -> Kit:
    """The kit whose files lie in `folder`: one with a description of its own there (`kit.toml`), or one that Lithify
    knows by its marker file; LithifyError where it is neither.
    """
    own = folder / DESCRIPTION
    if own.is_file():
        try:
            return Kit(folder=folder, **{**tomllib.loads(own.read_text(encoding="utf-8")), "tested": False})
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise LithifyError(f"'{own}' is not TOML: {error}.") from error
        except (ValidationError, TypeError) as error:
            raise LithifyError(
                f"'{own}' does not describe a process kit: {_first(error)}; see docs/silicon.md."
            ) from None
    names = []
    for entry in sorted((resources.files("lithify.silicon") / "kits").iterdir(), key=lambda entry: entry.name):
        table = tomllib.loads(entry.read_text(encoding="utf-8"))
        names.append(f"{table['name']} ({table['marker']})")
        if (folder / table["marker"]).is_file():
            return Kit(folder=folder, **table)
    raise LithifyError(
        f"No process kit in '{folder}': give the folder that holds the files of {', '.join(names[:-1])} or "
        f"{names[-1]}, or describe another kit in its '{DESCRIPTION}'."
    )


def _first(error: ValidationError | TypeError) -> str:
    """What is wrong first, in a few words."""
    if not isinstance(error, ValidationError):
        return str(error)
    found = error.errors()[0]
    return f"'{'.'.join(map(str, found['loc']))}': {found['msg'].lower()}"
