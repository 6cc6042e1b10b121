"""The server: KServe's data plane behind uvicorn and grpc.aio, bound to this machine alone unless told otherwise."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lithify.errors import LithifyError
from lithify.runtime.session import Session

if TYPE_CHECKING:
    import grpc

HOST = "127.0.0.1"
GRACE = 30.0
"""Seconds that requests under way have to end when the server is told to stop."""

MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class Served:
    """Where the server listens."""

    host: str
    http_port: int
    grpc_port: int
    models: tuple[str, ...]


def serve(
    sessions: Mapping[str, Session],
    *,
    host: str = HOST,
    http_port: int = 8080,
    grpc_port: int = 8081,
    wait: float = 0.002,
    queue: int = 1000,
    most_bytes: int = 64 * MEGABYTE,
    started: Callable[[Served], None] | None = None,
) -> None:
    """Serves sessions, each under its name, until SIGINT or SIGTERM; then answers what is under way, and ends.

    A port of 0 is any that is free; `started` hears which. wait: seconds that a request waits for others to run with;
    queue: requests of a model that may be under way; most_bytes: of a request.
    Raises LithifyError where KServe is missing or a port is taken.
    """
    with _own_arguments():
        try:
            import kserve  # noqa: F401
        except ImportError as error:
            raise LithifyError(
                "The server needs KServe, which is not installed; run `pip install 'lithify[serve]'`."
            ) from error
    asyncio.run(_serve(sessions, host, (http_port, grpc_port), wait, queue, most_bytes, started))


async def _serve(
    sessions: Mapping[str, Session],
    host: str,
    ports: tuple[int, int],
    wait: float,
    queue: int,
    most_bytes: int,
    started: Callable[[Served], None] | None,
) -> None:
    from kserve.model_repository import ModelRepository
    from kserve.protocol.model_repository_extension import ModelRepositoryExtension

    from lithify.server.http import Http
    from lithify.server.model import ServedModel
    from lithify.server.plane import Plane

    repository = ModelRepository()
    for name, session in sessions.items():
        repository.update(ServedModel(name, session, wait, queue))
    plane, extension = Plane(repository), ModelRepositoryExtension(repository)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows stops by KeyboardInterrupt
            loop.add_signal_handler(number, stop.set)
    http = Http(plane, extension, host, ports[0], most_bytes, GRACE)
    http_port = await http.start()
    grpc_server, grpc_port = await _grpc(plane, extension, host, ports[1], most_bytes)
    if started:
        started(Served(host, http_port, grpc_port, tuple(sessions)))
    try:
        await stop.wait()
    finally:
        await asyncio.gather(grpc_server.stop(GRACE), http.stop())
        for session in sessions.values():
            await asyncio.to_thread(session.close)


async def _grpc(plane: Any, extension: Any, host: str, port: int, most_bytes: int) -> "tuple[grpc.aio.Server, int]":
    from grpc import aio
    from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc
    from kserve.protocol.grpc.servicer import InferenceServicer

    from lithify.server.plane import Statuses

    server = aio.server(
        interceptors=(Statuses(),),
        options=[("grpc.max_receive_message_length", most_bytes), ("grpc.max_send_message_length", -1)],
    )
    grpc_predict_v2_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(InferenceServicer(plane, extension), server)
    try:
        bound = server.add_insecure_port(f"{host}:{port}")
    except RuntimeError as error:
        raise LithifyError(
            f"The port {port} of {host} cannot be opened for gRPC; name another by --grpc-port, or an address by "
            "--host."
        ) from error
    await server.start()
    return server, bound


@contextlib.contextmanager
def _own_arguments() -> Iterator[None]:
    """KServe reads the command line when it is imported; ours is not meant for it."""
    words, sys.argv = sys.argv, sys.argv[:1]
    try:
        yield
    finally:
        sys.argv = words
