"""A preprocessing as text: JSON, TOML, keys and values."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from lithify.errors import LithifyError
from lithify.preprocessing.picture import Preprocessing


def from_json(text: str) -> Preprocessing:
    """What `to_json` wrote. Raises LithifyError for text that is none."""
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise LithifyError("The preprocessing is not valid JSON. Write it with Preprocessing.to_json.") from error
    return from_mapping(values)


def from_toml(path: str | Path) -> Preprocessing:
    """The preprocessing of a TOML file: its table `preprocessing`, or the whole file. Raises LithifyError."""
    path = Path(path)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise LithifyError(f"Cannot read '{path}': {error.strerror or error}. Give a TOML file.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LithifyError(f"'{path}' is not valid TOML: {error}. Repair it.") from error
    return from_mapping(values.get("preprocessing", values))


def from_mapping(values: Any) -> Preprocessing:
    """From keys and values; lists become tuples. Raises LithifyError for unknown keys and wrong values."""
    names = [field.name for field in fields(Preprocessing)]
    if not isinstance(values, Mapping):
        raise LithifyError(f"The preprocessing is {values!r}; give the keys {', '.join(names)}.")
    for name in values:
        if name not in names:
            raise LithifyError(f"The preprocessing has no key '{name}'; its keys are {', '.join(names)}.")
    taken: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    for name in ("mean", "std"):
        if isinstance(taken.get(name), int | float):
            taken[name] = (taken[name],)
    return Preprocessing(**taken)
