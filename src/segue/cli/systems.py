"""What there is: the systems, one system's settings, and what this machine lacks."""

from __future__ import annotations

from typing import Annotated

import typer

from segue.cli.words import Json, Set, print_json, settings


def systems(as_json: Json = False) -> None:
    """List all published systems, with their papers and variants."""
    from segue.workflows import systems as known

    recipes = list(known.systems())
    if as_json:
        print_json(
            [
                {"name": one.name, "form": known.form(one), "paper": one.paper.model_dump(exclude_none=True)}
                for one in recipes
            ]
        )
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    for column in ("system", "form", "paper", "variants"):
        table.add_column(column, no_wrap=column in ("system", "form"))
    for name in known.names():
        recipe = known.find(name)
        variants = [other.name for other in recipes if other.name.startswith(f"{name}_")]
        table.add_row(name, known.form(recipe), recipe.paper.words(), ", ".join(variants))
    Console().print(table)


def show(
    recipe: Annotated[str, typer.Argument(help="A system's name, such as sasrec_tuned, or a YAML file.")],
    changes: Set = None,
    as_json: Json = False,
) -> None:
    """Show every setting of a system, as YAML that 'segue fit' reads back.

    Example: segue show sasrec_tuned > mine.yaml, edit it, segue fit mine.yaml --data my_log.csv
    """
    from segue.workflows.experiment import new

    experiment = new(recipe, None, settings(changes), None)
    if as_json:
        print_json(experiment.dump())
        return
    typer.echo(experiment.yaml(), nl=False)


def doctor(as_json: Json = False) -> None:
    """Say what this machine has, and what each missing package would buy."""
    from segue.workflows.doctor import examine

    findings = examine()
    if as_json:
        print_json(findings)
        return
    from rich.console import Console
    from rich.markup import escape

    console = Console()
    for finding in findings:
        mark = {"good": "[green]ok[/]", "missing": "[yellow]--[/]", "bad": "[red]!![/]"}[finding["state"]]
        console.print(f"{mark}  [bold]{finding['what']}[/]  {escape(finding['words'])}", highlight=False)
    if any(finding["state"] == "bad" for finding in findings):
        raise typer.Exit(1)
