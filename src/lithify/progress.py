"""How long work tells where it stands: whoever starts it may watch; by default nobody does."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Progress(Protocol):
    """What watches a run: the command line draws it, a test records it."""

    def begin(self, stage: str, number: int, stages: int) -> None:
        """A stage starts: the `number`-th (from 1) of `stages`."""

    def update(self, done: int, total: int, unit: str) -> None:
        """`done` of `total` (0: unknown) units of the stage's work are finished."""

    def note(self, text: str) -> None:
        """Something worth a line happened, such as a tool being built for the first time."""

    def end(self) -> None:
        """The stage is finished."""


class Silent:
    """Nobody watches."""

    def begin(self, stage: str, number: int, stages: int) -> None: ...

    def update(self, done: int, total: int, unit: str) -> None: ...

    def note(self, text: str) -> None: ...

    def end(self) -> None: ...


class Stages:
    """Numbers the stages of one run: `with stages("compile"): ...`."""

    def __init__(self, progress: Progress, count: int) -> None:
        self.progress = progress
        self._count = count
        self._number = 0

    @contextmanager
    def __call__(self, name: str) -> Iterator[Progress]:
        """One stage; its end is told also when it fails."""
        self._number += 1
        self.progress.begin(name, self._number, self._count)
        try:
            yield self.progress
        finally:
            self.progress.end()
