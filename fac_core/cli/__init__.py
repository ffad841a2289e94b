"""`fac` calls the same verbs as the pages, and whatever a person can mend ends in one line on stderr and exit code 1.

A command is a thin face: it opens the project, calls one verb of fac_core, prints. Exit codes: 0 done, 1 a problem said
in one sentence, 2 wrong usage, 130 stopped by hand.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache

import typer

import fac_core
from fac_core.cli import (
    comparing,
    coverage,
    data,
    evaluation,
    explain,
    extraction,
    features,
    jobs,
    llm,
    projects,
    relevance,
    review,
    scores,
    space,
    synthesis,
    tasks,
    training,
)
from fac_core.cli.show import safe
from fac_core.errors import FacError

__all__ = ["app", "main"]

app = typer.Typer(
    name="fac",
    help="See in a language model's feature space what a post-training set does not cover, and close the gaps.",
    epilog="Order of work: project create · import · extract · coverage · gaps · worklist add · find · synthesise · "
    "review · export. Every command takes --help.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"fac-explorer {fac_core.__version__}")
        raise typer.Exit


@app.callback()
def _all(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    pass


_ROOMS = (
    projects,
    tasks,
    space,
    data,
    extraction,
    features,
    explain,
    scores,
    relevance,
    coverage,
    synthesis,
    review,
    evaluation,
    jobs,
    training,
    comparing,
    llm,
)
for room in _ROOMS:
    room.register(app)


@cache
def _command() -> Callable[..., object]:
    """All commands; making them of their signatures takes longer than most of them run."""
    return typer.main.get_command(app)


def main() -> None:
    """Run `fac`; errors a person can mend become one line."""
    try:
        _command()(prog_name="fac")
    except FacError as error:
        sys.stderr.write(f"fac: {safe(' '.join(str(error).split()))}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.stderr.write("fac: stopped\n")
        sys.exit(130)
