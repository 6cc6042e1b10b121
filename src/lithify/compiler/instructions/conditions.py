"""Conditions: which instructions a run of fewer samples passes over (the field `when`).

From the last step to the first: what does each pixel serve? A pixel of an output serves its sample; what a pixel is
made from serves what that serves. So nothing is assumed about how steps cut their work. A launch with n samples passes
over what serves samples from n on alone; an instruction that makes pixels of more makes them of whatever lies there,
which nothing that is wanted is made from.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lithify.compiler.image import Image, Rectangle
from lithify.compiler.operation import Landing, Operation
from lithify.compiler.steps.step import Buffer, Chunk, Step
from lithify.isa.conditions import condition_of

Samples = NDArray[np.int32]


class Conditions:
    """The samples that everything of a segment serves.

    wanted: of the images that are used after the segment the sample of each pixel. views: images that show others, and
    in which steps (vertical, horizontal); None: anything of it. size: samples of a batch.
    """

    def __init__(
        self,
        operations: Sequence[Operation],
        steps: Sequence[Step],
        lookups: Sequence[int],
        images: Mapping[str, Image],
        wanted: Mapping[str, Samples],
        views: Mapping[str, tuple[str, tuple[int, int] | None]],
        size: int,
    ) -> None:
        self._size, self._operations, self._views = size, operations, views
        self._served = {name: np.full((image.height, image.width), size, np.int32) for name, image in images.items()}
        for name, samples in wanted.items():
            self._served[name] = np.minimum(self._served[name], samples)
        self._chunks: dict[tuple[int, int, int], int] = {}
        self._steps = [0] * len(steps)
        if size > 1:
            self._walk(steps, lookups)

    def step(self, index: int) -> int:
        """The condition of a step's compute instruction."""
        return self._condition(self._steps[index])

    def weights(self, chunks: Sequence[Chunk]) -> int:
        """The condition of a load of these chunks."""
        return self._condition(min((self._chunks.get(chunk.key, 0) for chunk in chunks), default=0))

    def buffer(self, buffer: Buffer) -> int:
        """The condition of a load or a store of a buffer."""
        served = _part(self._served[buffer.image], buffer.rectangle, buffer.landing)
        return self._condition(int(served.min()) if served.size else 0)

    def _condition(self, sample: int) -> int:
        # What serves no sample is not passed over: nobody knows what it is for.
        return condition_of(sample, self._size) if sample < self._size else 0

    def _walk(self, steps: Sequence[Step], lookups: Sequence[int]) -> None:
        table = self._size  # the first sample of the steps that use the table that an earlier step loads
        kept = self._size  # the same of those that add to sums that an earlier step keeps
        for index in range(len(steps) - 1, -1, -1):
            step, operation = steps[index], self._operations[steps[index].operation]
            made = _part(self._served[operation.y.name], step.out, operation.landing)
            sample = int(made.min()) if made.size else 0
            if step.keep:
                sample = min(sample, kept)
            kept = sample if step.accumulate else self._size
            if lookups[index]:
                table = sample = min(sample, table)
            if lookups[index] == 1:
                table = self._size
            self._steps[index] = sample
            if step.chunk is not None:
                before = self._chunks.get(step.chunk.key, self._size)
                self._chunks[step.chunk.key] = min(before, sample)
            for served in np.unique(made):
                down, right = np.nonzero(made == served)
                area = Rectangle(
                    step.out.y + int(down.min()),
                    step.out.x + int(right.min()),
                    int(np.ptp(down)) + 1,
                    int(np.ptp(right)) + 1,
                )
                self._serve(step, operation, area, int(served))

    def _serve(self, step: Step, operation: Operation, out: Rectangle, sample: int) -> None:
        """What a step reads for some of its results serves what these do."""
        part = step.part
        area = operation.input_of(out, part.y, part.x) if part else operation.input_of(out)
        down = area.y + operation.first_row
        self._mark(operation.x.name, Rectangle(down, area.x, area.height, area.width), sample)
        residual = operation.residual
        if residual is not None:
            image = self._served[residual.image]
            where = Rectangle(out.y, out.x + residual.column, out.height, out.width)
            if residual.broadcast or operation.landing is not None:
                where = Rectangle(0, 0, *image.shape)
            self._mark(residual.image, where, sample)
        if operation.second is not None:
            flat = self._served[operation.second.image.name].reshape(-1)
            rows = operation.second.first + operation.second.step * np.arange(operation.results.channels)
            flat[rows] = np.minimum(flat[rows], sample)

    def _mark(self, name: str, area: Rectangle, sample: int) -> None:
        served = self._served[name][area.y : area.y + area.height, area.x : area.x + area.width]
        np.minimum(served, sample, out=served)
        if name not in self._views:
            return
        shown, steps = self._views[name]
        whole = self._served[shown]
        if steps is not None:
            whole = whole[:: steps[0], :: steps[1]][area.y : area.y + area.height, area.x : area.x + area.width]
        np.minimum(whole, sample, out=whole)


def _part(served: Samples, area: Rectangle, landing: Landing | None) -> Samples:
    """The pixels of a rectangle, or those on which its positions land."""
    if landing is None:
        return served[area.y : area.y + area.height, area.x : area.x + area.width]
    (top, left), (down, right) = landing.pixel(area.y, area.x), landing.steps
    return served[top : top + area.height * down : down, left : left + area.width * right : right]
