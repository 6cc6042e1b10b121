"""A session as a model of KServe's server."""

import math
from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import uuid4

import kserve
import numpy as np
from kserve.errors import InferenceError, InvalidInput
from kserve.protocol.infer_type import InferOutput, InferRequest, InferResponse
from numpy.typing import NDArray
from prometheus_client import Counter, Gauge, Histogram

from lithify.errors import LithifyError
from lithify.runtime.bus import ChipFailure
from lithify.runtime.session import Session, Value
from lithify.server.batching import Batcher, Overloaded

DATATYPES = {
    "tensor(float)": "FP32",
    "tensor(int8)": "INT8",
    "tensor(uint8)": "UINT8",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(bool)": "BOOL",
}
"""Types of a session's inputs and outputs -> those of the protocol."""

REQUESTS = Counter("lithify_requests", "Requests, by how they ended", ("model", "end"))
TOGETHER = Histogram(
    "lithify_samples_together", "Samples that ran together", ("model",), buckets=(1, 2, 4, 8, 16, 32, 64)
)
WAITING = Gauge("lithify_requests_under_way", "Requests that wait or run", ("model",))
FAILED = Gauge("lithify_chips_failed", "Chips that failed and take no more requests", ("model",))
MOVED = Gauge("lithify_requests_moved", "Requests that were tried again because a chip failed", ("model",))
RATE = Gauge("lithify_runs_per_second", "Runs a second of the chips that have not failed, while they work", ("model",))
ANSWERED = Gauge("lithify_chip_runs", "Runs that a chip has done", ("model", "chip"))


class ServedModel(kserve.Model):  # type: ignore[misc]
    """A session under a name. wait, queue: see `Batcher`."""

    def __init__(self, name: str, session: Session, wait: float, queue: int) -> None:
        super().__init__(name)
        self.session = session
        together = TOGETHER.labels(name)
        self._batcher = Batcher(session, wait, queue, together.observe)
        WAITING.labels(name).set_function(lambda: self._batcher.under_way)
        FAILED.labels(name).set_function(lambda: len(session.failed))
        MOVED.labels(name).set_function(lambda: session.moved)
        RATE.labels(name).set_function(lambda: session.rate)
        for chip in session.devices:
            ANSWERED.labels(name, chip).set_function(partial(_runs, session, chip))
        self.ready = True

    def get_input_types(self) -> list[dict[str, Any]]:
        """For the protocol's metadata."""
        return [_described(value) for value in self.session.get_inputs()]

    def get_output_types(self) -> list[dict[str, Any]]:
        """For the protocol's metadata."""
        return [_described(value) for value in self.session.get_outputs()]

    async def predict(
        self, payload: InferRequest, headers: Mapping[str, str] | None = None, response_headers: Any = None
    ) -> InferResponse:
        """One request of the protocol.

        Raises InvalidInput for what does not fit, Overloaded, and InferenceError where no chip is left.
        """
        try:
            response = await self._predict(payload)
        except Overloaded:
            REQUESTS.labels(self.name, "overloaded").inc()
            raise
        except ChipFailure as error:
            REQUESTS.labels(self.name, "failed").inc()
            raise InferenceError(str(error)) from error
        except LithifyError as error:
            REQUESTS.labels(self.name, "refused").inc()
            raise InvalidInput(str(error)) from error
        REQUESTS.labels(self.name, "answered").inc()
        return response

    async def _predict(self, payload: InferRequest) -> InferResponse:
        feed = {entry.name: self._array(entry) for entry in payload.inputs}
        outputs = await self._batcher.infer(feed)
        described = {value.name: (value, output) for value, output in
                     zip(self.session.get_outputs(), outputs, strict=True)}  # fmt: skip
        wanted = [entry.name for entry in payload.request_outputs or ()] or list(described)
        made = []
        for name in wanted:
            if name not in described:
                raise LithifyError(
                    f"The model '{self.name}' has no output '{name}'; its outputs are: {', '.join(described)}."
                )
            value, output = described[name]
            entry = InferOutput(name, list(output.shape), DATATYPES[value.type])
            entry.set_data_from_numpy(output, binary_data=True)
            made.append(entry)
        return InferResponse(
            payload.id or uuid4().hex,  # a response has one, whether or not the client cares
            self.name,
            made,
            from_grpc=payload.from_grpc,
            use_binary_outputs=payload.use_binary_outputs,
            requested_outputs=payload.request_outputs,
        )

    def _array(self, entry: Any) -> NDArray[Any]:
        """An input of a request; LithifyError where its data are not what it says."""
        known = {value.name: value for value in self.session.get_inputs()}
        if entry.name not in known:
            raise LithifyError(
                f"The model '{self.name}' has no input '{entry.name}'; its inputs are: {', '.join(known)}."
            )
        wanted = DATATYPES[known[entry.name].type]
        if entry.datatype != wanted:
            raise LithifyError(f"Input '{entry.name}' was given as {entry.datatype}; it must be {wanted}.")
        try:
            array: NDArray[Any] = entry.as_numpy()
        except (ValueError, TypeError, OverflowError) as error:
            raise LithifyError(
                f"The data of input '{entry.name}' are not {math.prod(entry.shape)} numbers of {entry.datatype}, as "
                f"its shape {list(entry.shape)} says."
            ) from error
        return np.ascontiguousarray(array)


def _runs(session: Session, chip: str) -> int:
    return session.answered[chip]


def _described(value: Value) -> dict[str, Any]:
    shape = [-1 if isinstance(size, str) else size for size in value.shape]
    return {"name": value.name, "datatype": DATATYPES[value.type], "shape": shape}
