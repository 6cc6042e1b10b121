"""The command that serves programs."""

import json
import logging
from pathlib import Path

import click

from lithify.cli import options
from lithify.cli.screen import Watch


@click.command(short_help="Serve programs over HTTP and gRPC.")
@click.argument("programs", metavar="PROGRAM...", type=options.PATH, nargs=-1, required=True)
@click.option(
    "--device", default="sim", metavar="NAME", help="What executes the programs, as for `run`.  [default: sim]"
)
@click.option("--host", default="127.0.0.1", help="Address to listen on.  [default: 127.0.0.1, this machine alone]")
@click.option("--http-port", type=click.IntRange(0, 65535), default=8080, help="0: any.  [default: 8080]")
@click.option("--grpc-port", type=click.IntRange(0, 65535), default=8081, help="0: any.  [default: 8081]")
@click.option(
    "--wait", type=click.FloatRange(0, 10000), default=2.0, metavar="MS", help="For requests to run with.  [default: 2]"
)
@click.option("--queue", type=click.IntRange(1), default=1000, help="Requests of a model under way.  [default: 1000]")
@click.option("--max-request", type=click.IntRange(1), default=64, metavar="MB", help="Of a request.  [default: 64]")
@options.as_json
def serve(
    programs: tuple[Path, ...],
    device: str,
    host: str,
    http_port: int,
    grpc_port: int,
    wait: float,
    queue: int,
    max_request: int,
    as_json: bool,
) -> None:
    """Serve programs (.lith files or build folders) by the Open Inference Protocol (KServe v2) over HTTP and gRPC, each
    under the name of its file or folder, until Ctrl-C; what is under way is answered first. /metrics is Prometheus'.
    """
    from lithify.server.open import open_sessions
    from lithify.server.serve import MEGABYTE, Served
    from lithify.server.serve import serve as run

    for library in ("kserve", "uvicorn"):  # refused requests are the clients' business, and are counted in /metrics
        logging.getLogger(library).setLevel(logging.CRITICAL)

    def tell(served: Served) -> None:
        where = {"http": f"http://{served.host}:{served.http_port}", "grpc": f"{served.host}:{served.grpc_port}"}
        if as_json:
            # One line, for whoever started the server reads it while the server runs.
            click.echo(json.dumps({**where, "models": list(served.models)}))
        else:
            click.echo(f"Serving {', '.join(served.models)} on {where['http']} and, for gRPC, {where['grpc']}.")

    with Watch() as progress:
        sessions = open_sessions(programs, device, note=progress.note)
    run(
        sessions,
        host=host,
        http_port=http_port,
        grpc_port=grpc_port,
        wait=wait / 1000,
        queue=queue,
        most_bytes=max_request * MEGABYTE,
        started=tell,
    )


COMMANDS = (serve,)
