"""The command of formal proofs."""

import click

from lithify.cli import options
from lithify.cli.screen import Watch, emit


@click.command(short_help="Prove blocks of the chip against their contracts.")
@click.argument("names", nargs=-1)
@click.option("--list", "listing", is_flag=True, help="List the proofs and run none.")
@click.option(
    "--mutants",
    type=click.IntRange(0),
    default=0,
    metavar="NUMBER",
    help="Also try each proof on so many blocks with one gate changed, where it must fail.  [default: 0]",
)
@options.as_json
def prove(names: tuple[str, ...], listing: bool, mutants: int, as_json: bool) -> int:
    """Prove that blocks of the chip keep their promises, for all inputs; NAMES of proofs, or all of them.

    Status 1 where a block is not proved, or where no change of a block was caught.
    """
    if listing:
        from lithify.rtl.proofs.table import PROOFS, proof_named

        chosen = [proof_named(name) for name in names] or list(PROOFS)
        if as_json:
            emit([{"name": p.name, "block": p.block, "promise": p.promise, "reach": p.reach} for p in chosen])
        else:
            from lithify.report.terminal import new_table, show

            table = new_table("", "proof", "block", "promise", "holds")
            for proof in chosen:
                table.add_row(proof.name, proof.block, proof.promise, proof.reach)
            show(table)
        return 0
    import lithify

    with Watch() as progress:
        found = lithify.prove(names, mutants=mutants, progress=progress)
    if as_json:
        emit(found.to_json())
    else:
        from lithify.report.terminal import new_table, show

        more = ("changes caught",) if mutants else ()
        table = new_table("", "proof", "outcome", "holds", "seconds", *more, right=("seconds", *more))
        for entry in found.checked:
            caught = (f"{entry.caught} of {entry.mutants}",) if mutants else ()
            result = entry.result
            seconds = f"{result.seconds:.1f}"
            table.add_row(result.proof.name, result.outcome, result.proof.reach, seconds, *caught)
        show(table)
        for entry in found.checked:
            if entry.result.said:
                click.echo(f"{entry.result.proof.name}: {entry.result.said}")
    return 0 if found.agreed else 1


COMMANDS = (prove,)
