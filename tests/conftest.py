"""Running a command line in this process."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from lithify.cli import invoke


@dataclass(frozen=True)
class Ran:
    """What a command line did."""

    status: int
    out: str
    err: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Runs one command line in this process."""

    def call(*words: object) -> Ran:
        status = invoke([str(word) for word in words])
        seen = capsys.readouterr()
        return Ran(status, seen.out, seen.err)

    return call
