"""The protocol over HTTP: KServe's endpoints under uvicorn, a limit of bytes, metrics, a graceful end."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from http import HTTPStatus
from typing import Any

import fastapi
import uvicorn
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from kserve import errors
from kserve.protocol.rest.v2_endpoints import register_v2_endpoints
from prometheus_client import REGISTRY, exposition

from lithify.errors import LithifyError
from lithify.server.batching import Overloaded

DROPPED = 16
"""How many times the largest body is read, and dropped, of one that is larger."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Http:
    """An HTTP server on a port, 0 for any. most_bytes: of a request's body; grace: seconds to end what is under way."""

    def __init__(self, plane: Any, extension: Any, host: str, port: int, most_bytes: int, grace: float) -> None:
        app = _application(plane, extension)
        self._host, self._port = host, port
        self._server = _Server(
            uvicorn.Config(
                _Limited(app, most_bytes),
                host=host,
                port=port,
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=round(grace),
            )
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> int:
        """Begins to listen; the port. Raises LithifyError where it is taken."""
        self._task = asyncio.create_task(self._run())
        while not self._server.started:
            if self._task.done():
                raise LithifyError(
                    f"The port {self._port} of {self._host} cannot be opened for HTTP; name another by --http-port, or "
                    "an address by --host."
                )
            await asyncio.sleep(0.01)
        port: int = self._server.servers[0].sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        """Takes no more connections, answers what is under way."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        # uvicorn leaves by SystemExit where it cannot listen.
        with contextlib.suppress(SystemExit):
            await self._server.serve()


class _Server(uvicorn.Server):  # type: ignore[misc]
    """uvicorn's server, which leaves the signals to ours."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _application(plane: Any, extension: Any) -> fastapi.FastAPI:
    app = fastapi.FastAPI(title="lithify", docs_url=None, redoc_url=None)
    register_v2_endpoints(app, plane, extension)
    app.add_api_route("/metrics", _metrics, methods=["GET"])
    for error, handler in (
        (errors.InvalidInput, errors.invalid_input_handler),
        (errors.InferenceError, errors.inference_error_handler),
        (errors.ModelNotFound, errors.model_not_found_handler),
        (errors.ModelNotReady, errors.model_not_ready_handler),
        (NotImplementedError, errors.not_implemented_error_handler),
        (Overloaded, _overloaded),
        (RequestValidationError, _malformed),
        (Exception, _fault),
    ):
        app.add_exception_handler(error, handler)
    return app


async def _metrics(request: fastapi.Request) -> Response:
    encoder, content_type = exposition.choose_encoder(request.headers.get("accept") or "")
    return Response(content=encoder(REGISTRY), headers={"content-type": content_type})


async def _overloaded(_: fastapi.Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": str(error)}, HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "1"})


async def _fault(request: fastapi.Request, error: Exception) -> JSONResponse:
    logging.getLogger(__name__).error("A fault of the server at %s", request.url.path, exc_info=error)
    return JSONResponse({"error": f"A fault of the server: {error}"}, HTTPStatus.INTERNAL_SERVER_ERROR)


async def _malformed(_: fastapi.Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"][1:])
    what = f"The body is no inference request of the Open Inference Protocol: {first['msg'].lower()}"
    return JSONResponse({"error": f"{what}{f' (at {place})' if place else ''}."}, HTTPStatus.BAD_REQUEST)


class _Limited:
    """Refuses a body of too many bytes before it is read whole."""

    def __init__(self, app: Callable[..., Awaitable[None]], most: int) -> None:
        self._app, self._most = app, most

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        stated = dict(scope["headers"]).get(b"content-length", b"0")
        if not stated.isdigit() or int(stated) > self._most:
            return await self._refuse(scope, receive, send)
        seen, parts = 0, list[Message]()
        if b"transfer-encoding" in dict(scope["headers"]):  # its length is not stated: read to see
            more = True
            while more:
                message = await receive()
                parts.append(message)
                seen += len(message.get("body", b""))
                more = message.get("more_body", False)
                if seen > self._most:
                    return await self._refuse(scope, receive, send)

        async def again() -> Message:
            return parts.pop(0) if parts else await receive()

        return await self._app(scope, again, send)

    async def _refuse(self, scope: Message, receive: Receive, send: Send) -> None:
        # A client that is still sending would not read the answer: what it sends is dropped, up to a limit.
        dropped = 0
        while dropped < DROPPED * self._most:
            message = await receive()
            dropped += len(message.get("body", b""))
            if not message.get("more_body", False):
                break
        text = f"The body is larger than the {self._most:,} bytes that this server takes; see --max-request."
        response = JSONResponse({"error": text}, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"Connection": "close"})
        await response(scope, receive, send)
