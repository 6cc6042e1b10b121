"""What the commands print: progress on standard error, the result on standard output."""

import json
import sys
import time
from types import TracebackType
from typing import Any, Self

import click


def emit(result: object) -> None:
    """The machine's output: one JSON text, and nothing else on standard output.

    What the output's encoding may lack is escaped.
    """
    everything = (getattr(sys.stdout, "encoding", None) or "ascii").lower().replace("-", "") == "utf8"
    click.echo(json.dumps(result, indent=2, ensure_ascii=not everything))


class Watch:
    """Progress of a command on standard error: live on a terminal, a line per stage elsewhere."""

    def __enter__(self) -> Self:
        self._live: Any = None
        self._task: Any = None
        self._label = ""
        self._start = 0.0
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

            columns = (
                SpinnerColumn("line"),
                TextColumn("{task.description}"),
                BarColumn(24),
                TextColumn("{task.fields[amount]}"),
            )
            self._live = Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True)
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live:
            self._live.stop()

    def begin(self, stage: str, number: int, stages: int) -> None:
        self._label = f"[{number:>{len(str(stages))}}/{stages}] {stage}"
        self._start = time.perf_counter()
        if self._live:
            # rich reads square brackets as markup
            self._task = self._live.add_task(self._label.replace("[", r"\["), total=None, amount="")

    def update(self, done: int, total: int, unit: str) -> None:
        if self._live and self._task is not None:
            amount = f"{done:,} of {total:,} {unit}" if total else f"{done:,} {unit}"
            self._live.update(self._task, completed=done, total=total or None, amount=amount)

    def note(self, text: str) -> None:
        self._line(f"      {text}")

    def end(self) -> None:
        if self._live and self._task is not None:
            self._live.remove_task(self._task)
            self._task = None
        self._line(f"{self._label}  {time.perf_counter() - self._start:.1f} s")

    def _line(self, text: str) -> None:
        if self._live:
            self._live.console.print(text, markup=False, highlight=False)
        else:
            click.echo(text, err=True)
