"""What `lithify advise` takes for granted: `assumptions.toml`, and what the user changes of it."""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from lithify.errors import LithifyError
from lithify.explore.advise.die import delay_factor, energy_factor
from lithify.explore.figure import ASSUMED, GIVEN, PUBLISHED, Figure

FILE = "assumptions.toml"
_STRICT = ConfigDict(extra="forbid")


@checked(frozen=True, config=_STRICT)
class Value:
    """A number with its source; without one it is assumed. given: by the user's file."""

    value: float
    source: str = ""
    year: int | None = None
    given: bool = False

    @property
    def how(self) -> str:
        """A word of `figure.HOW`."""
        return GIVEN if self.given else PUBLISHED if self.source else ASSUMED

    def figure(self) -> Figure:
        """The number as a figure."""
        year = f", {self.year}" if self.year is not None else ""
        return Figure(self.value, self.how, self.source + year if self.source else "")


def _number(value: object) -> object:
    return {"value": value} if isinstance(value, int | float) and not isinstance(value, bool) else value


def _within(allowed: Callable[[float], bool], said: str) -> BeforeValidator:
    """Refuses numbers that are not allowed, in words."""

    def check(value: object) -> object:
        found = _number(value)
        number = found.get("value") if isinstance(found, dict) else getattr(found, "value", None)
        if isinstance(number, int | float) and not allowed(number):
            raise ValueError(f"it must be {said}")
        return found

    return BeforeValidator(check)


Amount = Annotated[Value, _within(lambda number: number >= 0, "0 or more")]
Positive = Annotated[Value, _within(lambda number: number > 0, "above 0")]
Part = Annotated[Value, _within(lambda number: 0 < number <= 1, "above 0 and at most 1")]


@checked(frozen=True, config=_STRICT)
class Node:
    """A process. design_usd: of an average chip. prototype_usd: one run of a shared mask set."""

    volts: Positive
    wafer_mm: Positive
    wafer_usd: Positive
    masks_usd: Amount
    design_usd: Amount
    tools_usd: Amount
    defects_per_cm2: Amount
    months: Amount
    prototype_usd: Amount


@checked(frozen=True, config=_STRICT)
class SiliconUse:
    """How a die is filled and cut out, and how it yields."""

    cell_fill: Part
    macro_fill: Part
    pad_mm: Amount
    scribe_mm: Amount
    edge_mm: Amount
    reticle_mm2: Positive
    alpha: Positive
    clock_limit_hz: Positive
    energy_overhead: Positive


@checked(frozen=True, config=_STRICT)
class PartCosts:
    """A packaged part."""

    package_usd: Amount
    test_usd: Amount
    logistics_usd: Amount
    final_yield: Part


@checked(frozen=True, config=_STRICT)
class Project:
    """What is paid once for a chip, beside its masks and tools."""

    design_share: Part
    respins: Amount
    test_development_usd: Amount


@checked(frozen=True, config=_STRICT)
class Board:
    """What stands beside a chip."""

    memory_usd: Amount
    host_usd: Amount
    host_watts: Amount
    host_slower: Positive
    volume_price: Part
    volume_from: Amount


@checked(frozen=True, config=_STRICT)
class Alternative:
    """Something that can be bought. needs_board: memory and host are not in it.

    Its speed: latency_s, where it was measured; clock_hz and multipliers of an FPGA; slower: times this machine's
    processor; or operations_per_s, the utilisation of them, and what a call takes beside. published: its name in
    published.toml. weight_bytes: what the network's parameters may take.
    """

    name: str
    kind: Literal["fpga", "microcontroller", "cpu", "gpu", "accelerator"]
    usd: Positive
    watts: Positive
    project_usd: Amount
    needs_board: bool
    latency_s: Positive | None = None
    clock_hz: Positive | None = None
    multipliers: Positive | None = None
    slower: Positive | None = None
    operations_per_s: Positive | None = None
    utilisation: Part | None = None
    overhead_s: Amount | None = None
    weight_bytes: Positive | None = None
    published: str = ""

    def __post_init__(self) -> None:
        ways = (
            self.latency_s is not None,
            self.clock_hz is not None and self.multipliers is not None,
            self.slower is not None,
            self.operations_per_s is not None and self.utilisation is not None,
        )
        if not any(ways):
            raise ValueError(
                "its speed is missing: give latency_s, or clock_hz and multipliers, or slower, or operations_per_s "
                "and utilisation"
            )


@checked(frozen=True, config=_STRICT)
class Assumptions:
    """The whole file. node: by nanometres."""

    node: dict[int, Node]
    silicon: SiliconUse
    part: PartCosts
    project: Project
    board: Board
    alternative: dict[str, Alternative]


def default_text() -> str:
    """The file that comes with Lithify, to copy and change."""
    return resources.files("lithify.explore.advise").joinpath(FILE).read_text(encoding="utf-8")


def load_assumptions(path: str | Path | None = None) -> Assumptions:
    """The default assumptions, with what a file changes of them.

    Raises LithifyError for a file that cannot be read, a name that there is not, and a value that cannot be.
    """
    table = tomllib.loads(default_text())
    if path is not None:
        try:
            own = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise LithifyError(f"Cannot read the assumptions '{path}': {error.strerror}.") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise LithifyError(f"The assumptions '{path}' are no TOML: {error}.") from error
        table = _merged(table, own, default=tomllib.loads(default_text()))
    where = f"The assumptions '{path}'" if path is not None else "The assumptions"
    try:
        found = TypeAdapter(Assumptions).validate_python(table)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"] if part not in ("value",))
        raise LithifyError(
            f"{where}: {place or 'the file'}: {_said(first)}; --write-assumptions FILE writes one that fits."
        ) from error
    outside = [nm for nm in found.node if not 7 <= nm <= 130]
    if outside:
        raise LithifyError(f"{where}: node.{outside[0]}: areas and clocks are known from 130 to 7 nm.")
    for nm, node in found.node.items():
        if not _switches(nm, node.volts.value):
            raise LithifyError(
                f"{where}: node.{nm}.volts: the scaling table does not hold at {node.volts.value:g} V; give the "
                "node's own supply."
            )
    return found


def _switches(nm: int, volts: float) -> bool:
    """Whether the fits give a delay and an energy at this voltage, which they do near the node's own."""
    try:
        return delay_factor(nm, volts) > 0 and energy_factor(nm, volts) > 0
    except ValueError:
        return False


def _said(error: Any) -> str:
    if error["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        return "there is no such name"
    if error["type"] in ("missing", "missing_argument"):
        return "it is missing"
    if error["type"] == "dataclass_type":
        return "it must be a number, or { value = ..., source = ..., year = ... }"
    text = str(error["msg"]).removeprefix("Value error, ")
    return text[0].lower() + text[1:]


def _merged(table: Any, own: Any, default: Any) -> Any:
    """`own` over `table`, table by table; numbers that differ from the default are marked as given."""
    if isinstance(own, dict) and isinstance(table, dict) and "value" not in own:
        return table | {name: _merged(table.get(name), value, table.get(name)) for name, value in own.items()}
    if isinstance(own, dict) and "value" not in own:
        return {name: _merged(None, value, None) for name, value in own.items()}
    if isinstance(own, bool | str | list):
        return own
    new, old = _number(own), _number(default)
    same = isinstance(new, dict) and isinstance(old, dict) and new.get("value") == old.get("value")
    return old if same else {**new, "given": True} if isinstance(new, dict) else new


@dataclass(frozen=True)
class Stated:
    """One assumption: where it stands in the file, and its value."""

    place: str
    value: Value

    def to_json(self) -> dict[str, Any]:
        """Place, number, how it was obtained, source, year."""
        return {
            "place": self.place,
            "value": self.value.value,
            "how": self.value.how,
            "source": self.value.source,
            "year": self.value.year,
        }


def stated(table: Assumptions) -> tuple[Stated, ...]:
    """Every number of the assumptions, in the order of the file."""
    return tuple(Stated(place, value) for place, value in _walk("", table))


def changed(table: Assumptions, place: str, value: float) -> Assumptions:
    """The assumptions with another number at a place."""
    result = _changed(table, place.split("."), value)
    assert isinstance(result, Assumptions)
    return result


def _walk(place: str, item: Any) -> Iterator[tuple[str, Value]]:
    if isinstance(item, Value):
        yield place, item
    elif isinstance(item, Mapping):
        for name, part in item.items():
            yield from _walk(f"{place}.{name}".lstrip("."), part)
    elif is_dataclass(item):
        for entry in fields(item):
            yield from _walk(f"{place}.{entry.name}".lstrip("."), getattr(item, entry.name))


def _changed(item: Any, place: list[str], value: float) -> Any:
    if not place:
        return replace(item, value=value)
    name, rest = place[0], place[1:]
    if isinstance(item, Mapping):
        key: Any = int(name) if name.isdigit() else name
        return {**item, key: _changed(item[key], rest, value)}
    # Plain attributes: replacing in a checked dataclass would check, and refuse what a sensitivity tries.
    copy = object.__new__(type(item))
    for entry in fields(item):
        own = getattr(item, entry.name)
        object.__setattr__(copy, entry.name, _changed(own, rest, value) if entry.name == name else own)
    return copy
