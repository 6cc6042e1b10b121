"""The commands: `lithify WORD ...`. Every word is a function of `lithify`; here they get options, progress and printed
results.

Exit status: 0 done; 1 an error the user can mend, told in one sentence, or a difference that `verify` found; 2 wrong
usage; 130 stopped by Ctrl-C; 70 a fault of Lithify's own.
"""

import errno
import os
import sys
from collections.abc import Sequence

import click

import lithify
from lithify.cli import board, choose, clusters, commands, decide, explore, line, measure, prove, service, silicon
from lithify.errors import LithifyError

FAULT = 70
"""EX_SOFTWARE of sysexits.h: an error that no user made."""


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}, no_args_is_help=True)
@click.version_option(lithify.__version__, "--version", "-V", message="lithify %(version)s")
def group() -> None:
    """Turn a trained neural network into a verified chip, and run the network on it.

    \b
    lithify build NET.onnx --data DATA.npz -o FOLDER    does everything; the other commands are its steps.
    """


WORDS = (line, measure, choose, explore, decide, silicon, prove, board, clusters, service, commands)
"""Files of commands, in the order of the help."""

for command in (command for file in WORDS for command in file.COMMANDS):
    group.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the `lithify` program. Ends the process; no traceback reaches the user."""
    for library in ("OMP", "OPENBLAS", "MKL"):
        # The simulators multiply small matrices: on shared cores threads that wait for each other cost many times more.
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character shows another; it is no reason to fail.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    sys.exit(invoke(arguments))


def invoke(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line; the exit status."""
    try:
        status = group.main(arguments, prog_name="lithify", standalone_mode=False)
        return status if isinstance(status, int) else 0
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        _say("Stopped; nothing was left half written.")
        return 130
    except LithifyError as error:
        _say(f"Error: {error}")
        return 1
    except BrokenPipeError:
        # The reader of our output went away (`lithify disassemble ... | head`): not an error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except MemoryError:
        _say("Error: The memory of this machine is full; close other programs or use a machine with more.")
        return 1
    except OSError as error:
        if error.errno == errno.ENOSPC:
            _say(f"Error: The disk is full while writing '{error.filename}'; make room or choose another folder.")
            return 1
        return _fault(error)
    except Exception as error:
        return _fault(error)


def _say(text: str) -> None:
    click.echo(text, err=True)


def _fault(error: Exception) -> int:
    if os.environ.get("LITHIFY_DEBUG"):
        raise error
    lines = str(error).strip().splitlines()
    _say(
        f"Error: Lithify itself failed ({type(error).__name__}: {lines[0] if lines else 'no message'}); "
        "please report it, with what LITHIFY_DEBUG=1 in the environment prints."
    )
    return FAULT
