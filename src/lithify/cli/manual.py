"""The page of all commands and functions, from the commands and functions themselves."""

import ast
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import click

import lithify
from lithify.cli import group

HEAD = """\
# Commands and Python functions

Written from the program; do not edit. `python -m lithify.cli.manual docs/commands.md` writes it again.

Commands and functions are the same words: `lithify quantize NET.onnx --data DATA.npz -o OUT.onnx` on the command line
is `lithify.quantize(lithify.load("NET.onnx"), "DATA.npz")` in Python.

Every command takes `--json`: the result as JSON on standard output, and nothing else there; progress and errors go to
standard error. Exit status: 0 done; 1 an error told in one sentence, or a difference that `verify` or `build` found;
2 wrong usage; 130 stopped by Ctrl-C. Files appear only when they are whole.

Environment: `LITHIFY_CACHE` names the folder for built simulators; `LITHIFY_DEBUG=1` shows the traceback of an error
of Lithify's own; `LITHIFY_PDK` or `PDK_ROOT` names the folder of process kits.
"""


def manual() -> str:
    """The contents of docs/commands.md."""
    parts = [HEAD, "## Commands", ""]
    for name in sorted(group.commands):
        parts += _command(name, group.commands[name])
    parts += ["## Python", "", "`import lithify`; every function is imported when it is first used.", ""]
    for name in lithify.__all__:
        parts += _function(name)
    return "\n".join(parts).rstrip() + "\n"


def _command(name: str, command: click.Command) -> Iterator[str]:
    arguments = [parameter for parameter in command.params if isinstance(parameter, click.Argument)]
    yield f"### `lithify {name}`\n"
    yield f"{inspect.cleandoc(command.help or '')}\n"
    yield f"    lithify {' '.join([name, *(_argument(argument) for argument in arguments)])} [options]\n"
    yield "| option | meaning |"
    yield "|---|---|"
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            yield f"| `{_option(parameter)}` | {parameter.help} |"
    yield ""


def _argument(argument: click.Argument) -> str:
    name = str(argument.name).upper() + ("..." if argument.nargs == -1 else "")
    return name if argument.required else f"[{name}]"


def _option(option: click.Option) -> str:
    names = ", ".join((*option.opts, *option.secondary_opts))
    if option.is_flag:
        return names
    if isinstance(option.type, click.Choice):
        return f"{names} {'/'.join(option.type.choices)}"
    value = option.metavar or {"integer range": "NUMBER", "path": "PATH"}.get(option.type.name, option.type.name)
    return f"{names} {value}".replace("|", "\\|")


def _function(name: str) -> Iterator[str]:
    target = getattr(import_module(lithify._ELSEWHERE.get(name, "lithify.flow")), name)
    if not inspect.isclass(target):
        yield from _entry(f"lithify.{name}", target)
        return
    yield f"### `lithify.{name}`\n"
    yield f"{inspect.getdoc(target)}\n"
    for method, member in vars(target).items():
        plain = member.__func__ if isinstance(member, classmethod) else member
        if not method.startswith("_") and inspect.isfunction(plain):
            yield from _entry(f"{name}.{method}", plain)


def _entry(name: str, function: Callable[..., object]) -> Iterator[str]:
    """Signature, as the source writes it, and documentation."""
    definition = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    assert isinstance(definition, ast.FunctionDef)
    definition.args.args = [argument for argument in definition.args.args if argument.arg not in ("self", "cls")]
    for argument in ast.walk(definition):
        if isinstance(argument, ast.arg):
            argument.annotation = _plain(argument.annotation)
    result = _plain(definition.returns)
    arrow = f" -> {ast.unparse(result)}" if result is not None else ""
    yield f"### `{name}`\n"
    yield (
        "\n".join(
            textwrap.wrap(
                f"{name}({ast.unparse(definition.args)}){arrow}",
                110,
                initial_indent="    ",
                subsequent_indent="        ",
            )
        )
        + "\n"
    )
    yield f"{inspect.getdoc(function)}\n"


def _plain(annotation: ast.expr | None) -> ast.expr | None:
    """An annotation without the quotes that keep its import lazy."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return ast.parse(annotation.value, mode="eval").body
    return annotation


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(manual(), encoding="utf-8", newline="\n")
