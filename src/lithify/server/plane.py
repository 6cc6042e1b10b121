"""What KServe's data plane leaves to its users: a malformed request is the client's error, too many are none."""

from typing import Any

from grpc import StatusCode
from kserve.errors import InvalidInput
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.grpc.interceptors import ExceptionToStatusInterceptor
from kserve.protocol.infer_type import InferRequest

from lithify.server.batching import Overloaded


class Plane(DataPlane):  # type: ignore[misc]
    """The data plane, whose errors in reading a request are InvalidInput."""

    def decode_inference_request(self, body: Any, headers: Any, model_name: str) -> InferRequest:
        """The request in a body of JSON, with binary data behind it where a header says so."""
        try:
            return super().decode_inference_request(body, headers, model_name)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            if isinstance(error, InvalidInput):
                raise
            raise InvalidInput(
                f"The body is no inference request of the Open Inference Protocol ({type(error).__name__}: {error})."
            ) from error


class Statuses(ExceptionToStatusInterceptor):  # type: ignore[misc]
    """Errors as gRPC's statuses."""

    async def handle_exception(self, ex: Exception, request_or_iterator: Any, context: Any, method_name: str) -> None:
        """Overloaded is RESOURCE_EXHAUSTED; the others as KServe has them."""
        if isinstance(ex, Overloaded):
            await context.abort(StatusCode.RESOURCE_EXHAUSTED, str(ex))
        if isinstance(ex, (KeyError, TypeError, ValueError)) and not isinstance(ex, InvalidInput):
            ex = InvalidInput(f"The request cannot be read ({type(ex).__name__}: {ex}).")
        await super().handle_exception(ex, request_or_iterator, context, method_name)
