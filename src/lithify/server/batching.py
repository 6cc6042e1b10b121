"""Requests that come together run together: samples of several share one run of a program with an open batch."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lithify.errors import LithifyError
from lithify.runtime.session import Session

Feed = Mapping[str, NDArray[Any]]


class Overloaded(LithifyError):
    """More requests wait than the server was told to keep."""


@dataclass
class _Waiting:
    feed: Feed
    samples: int
    answer: "asyncio.Future[list[NDArray[Any]]]"


class Batcher:
    """Answers requests on a session, within one event loop.

    A program whose batch is open runs as many samples together as it takes; the first of them waits at most `wait`
    seconds for others. limit: requests that may be on their way at once.
    on_batch: is told how many samples run together.
    """

    def __init__(
        self, session: Session, wait: float = 0.002, limit: int = 1000, on_batch: Callable[[int], None] | None = None
    ) -> None:
        self._session, self._wait, self._limit, self._on_batch = session, wait, limit, on_batch
        self._most = session.program.batch
        self._waiting: list[_Waiting] = []
        self._flush: asyncio.Handle | None = None
        self._tasks = set[asyncio.Task[None]]()  # a task that nothing holds may be collected while it runs
        self.under_way = 0

    async def infer(self, feed: Feed) -> list[NDArray[Any]]:
        """All outputs, in the network's order.

        Raises Overloaded where `limit` requests are on their way, LithifyError for a feed that does not fit.
        """
        if self.under_way >= self._limit:
            raise Overloaded(
                f"{self.under_way} requests are on their way, and the server takes {self._limit}; ask again later, or "
                "start it with a larger --queue or more devices."
            )
        samples = self._session.check(feed)
        self.under_way += 1
        try:
            if self._most == 1 or samples >= self._most:
                self._tell(samples)
                return await self._run(feed)
            waiting = _Waiting(feed, samples, asyncio.get_running_loop().create_future())
            self._waiting.append(waiting)
            if sum(entry.samples for entry in self._waiting) >= self._most:
                self._send()
            elif self._flush is None:
                self._flush = asyncio.get_running_loop().call_later(self._wait, self._send)
            return await waiting.answer
        finally:
            self.under_way -= 1

    def _send(self) -> None:
        """Runs what waits: at most a batch, the rest with the next."""
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
        chosen, samples = list[_Waiting](), 0
        while self._waiting and samples + self._waiting[0].samples <= self._most:
            entry = self._waiting.pop(0)
            if not entry.answer.cancelled():  # its client has gone
                chosen.append(entry)
                samples += entry.samples
        if chosen:
            self._tell(samples)
            task = asyncio.ensure_future(self._together(chosen))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if self._waiting:
            self._flush = asyncio.get_running_loop().call_soon(self._send)

    async def _together(self, chosen: Sequence[_Waiting]) -> None:
        names = chosen[0].feed
        try:
            outputs = await self._run({name: np.concatenate([entry.feed[name] for entry in chosen]) for name in names})
        except Exception as error:
            for entry in chosen:
                if not entry.answer.done():
                    entry.answer.set_exception(error)
            return
        first = 0
        for entry in chosen:
            if not entry.answer.done():
                entry.answer.set_result([output[first : first + entry.samples] for output in outputs])
            first += entry.samples

    async def _run(self, feed: Feed) -> list[NDArray[Any]]:
        parts = [asyncio.wrap_future(future) for future in self._session.submit_samples(feed)]
        outcomes = await asyncio.gather(*parts)
        if len(outcomes) == 1:
            return list(outcomes[0].outputs)
        return [np.concatenate(arrays) for arrays in zip(*(outcome.outputs for outcome in outcomes), strict=True)]

    def _tell(self, samples: int) -> None:
        if self._on_batch is not None:
            self._on_batch(samples)
