"""What a cluster is: chips of one description, links between neighbours, and one link of the host that all share."""

import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lithify.chip import Chip, load_chip
from lithify.errors import LithifyError


class Cluster(BaseModel):
    """Chips and links. Rates in bytes a cycle of the chips' clock, latencies in its cycles.

    chip: a preset's name, a chip description (.toml) or, in Python, a `Chip`. topology: "ring", each chip linked with
    the next, both ways; "line", as ring, but not the last with the first; "all", each with every other; "host", none:
    what goes from chip to chip goes through the host's link, twice.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "cluster"
    chip: str | Chip = "edge"
    chips: int = Field(ge=1, le=1024)
    topology: Literal["ring", "line", "all", "host"] = "ring"
    link_bytes_per_cycle: int = Field(default=16, ge=1)
    link_latency: int = Field(default=100, ge=0)
    host_bytes_per_cycle: int = Field(default=16, ge=1)
    host_latency: int = Field(default=1000, ge=0)

    @property
    def described(self) -> Chip:
        """The chips' description; LithifyError where it is none."""
        return load_chip(self.chip)

    @property
    def chip_name(self) -> str:
        """As people read it."""
        return self.chip if isinstance(self.chip, str) else self.chip.name

    @property
    def without_one(self) -> "Cluster":
        """The chips that remain when one fails, in the order in which they stood behind it: of a ring a line is left.

        Raises LithifyError where there is no other.
        """
        if self.chips == 1:
            raise LithifyError("The cluster has one chip; when that fails nothing is left. Give it two or more.")
        topology = "line" if self.topology == "ring" else self.topology
        return self.model_copy(update={"chips": self.chips - 1, "topology": topology})


def load_cluster(path: str | Path) -> Cluster:
    """The cluster of a TOML file.

    Raises LithifyError for a file that cannot be read, is no TOML, or has a key that is wrong.
    """
    try:
        return Cluster.model_validate(tomllib.loads(Path(path).read_text(encoding="utf-8")))
    except OSError as error:
        raise LithifyError(f"Cannot read the cluster '{path}': {error.strerror}; give a TOML file.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LithifyError(f"The cluster '{path}' is no TOML: {error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise LithifyError(
            f"The cluster '{path}' is wrong at {key}: {first['msg'].lower()}; its keys are "
            f"{', '.join(Cluster.model_fields)}."
        ) from error
