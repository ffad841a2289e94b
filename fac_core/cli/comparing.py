"""`fac sae` and `fac space compare`: two dictionaries on the same texts, one seed set in several feature spaces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fac_core.cli import context
from fac_core.cli.context import Json, Project
from fac_core.cli.show import safe, show, table
from fac_core.cli.space import space
from fac_core.errors import InputError

if TYPE_CHECKING:
    from fac_core.content import Content
    from fac_core.feature_space.comparing import Side
    from fac_core.workspace import Workspace

sae = typer.Typer(help="SAEs that were trained in a project: list, make one a feature space, compare two.")


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.add_typer(sae, name="sae")
    space.command("compare")(compare_spaces)


def compare_spaces(named: Project = None, as_json: Json = False) -> None:
    """Compare the coverage of the seed set in all feature spaces, each at its own threshold."""
    from fac_core.coverage.across import across_spaces

    with context.opened(named) as ws:
        found = across_spaces(ws)
    rows = [
        [
            f"{each.delta:g}",
            f"{each.fac:.4f}",
            f"{each.low:.3f}–{each.high:.3f}",
            f"{each.n_alive:,}",
            f"{each.n_anchor:,}",
            f"{each.n_missing:,}",
            f"{each.n_unread:,}" if each.n_unread else "",
            "; ".join(["saturated"] * each.saturated + ["does not fit"] * (not each.fits)),
            each.name,
        ]
        for each in found
    ]
    heads = [">δ", ">FAC", "95 %", ">alive", ">in anchor", ">missing", ">unread texts", "", "space"]
    lines = table(heads, rows) or ["This project has no feature space yet."]
    if any(each.saturated for each in found):
        lines.append("Saturated: nearly everything counts as covered at this δ, so FAC tells little apart; raise δ.")
    show(found, lines, as_json)


@sae.command("list")
def list_all(named: Project = None, as_json: Json = False) -> None:
    """List the SAEs that were trained in the project."""
    from fac_core.feature_space.training.in_project import space_of, trained

    with context.opened(named) as ws:
        found = [(each, space_of(ws, each)) for each in trained(ws)]
    rows = [
        [
            each.name,
            each.recipe.sae.kind,
            str(each.recipe.space.block),
            f"{each.card['d_sae']:,}",
            f"{each.card['fvu']:.3f}",
            f"{each.card['l0']:.1f}",
            space_id or "–",
            each.recipe.space.backbone,
        ]
        for each, space_id in found
    ]
    value = [{"name": each.name, "folder": each.folder, "space_id": at, "card": each.card} for each, at in found]
    heads = ["name", "kind", ">block", ">features", ">FVU", ">L0", "space", "model"]
    show(value, table(heads, rows) or ["No SAE was trained in this project yet: fac train-sae --help"], as_json)


@sae.command("use")
def use(
    name: Annotated[str, typer.Argument(help="SAE of the project, see `fac sae list`.")],
    named: Project = None,
    as_json: Json = False,
) -> None:
    """Make an SAE that was trained in the project one of its feature spaces."""
    from fac_core.feature_space.spaces import space as space_by_id
    from fac_core.feature_space.training.in_project import use_as_space

    with context.opened(named) as ws:
        space_id = use_as_space(ws, name)
        title = space_by_id(ws, space_id).name
    lines = [f"{safe(title)} is the space {space_id}.", f"Read the texts in it with: fac extract --space {space_id}"]
    show({"space_id": space_id, "name": title}, lines, as_json)


@sae.command("compare")
def compare(
    a: Annotated[str, typer.Argument(help="Folder of an SAE, SAE or feature space (id or name) of the project.")],
    b: Annotated[str, typer.Argument(help="The other.")],
    texts: Annotated[
        Path | None, typer.Option("--texts", help="One text a line (default: the project's texts).")
    ] = None,
    model: Annotated[str, typer.Option("--model", help="Of SAE folders that do not say which model they read.")] = "",
    revision: Annotated[str, typer.Option("--revision", help="Of such a model on the Hub.")] = "",
    block: Annotated[int | None, typer.Option("--block", "-b", min=1, help="Of folders that do not say it.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Texts read at most.")] = 2000,
    named: Project = None,
    as_json: Json = False,
) -> None:
    """Compare two SAEs on the same texts: FVU, L0, dead and dense features, and how many of each the other has too."""
    from fac_core.feature_space.comparing import COSINE, side_of_folder
    from fac_core.feature_space.comparing import compare as read_by_both
    from fac_core.feature_space.comparing_job import project_texts
    from fac_core.feature_space.extraction import contents_of

    folders = [Path(each).expanduser() for each in (a, b)]
    if texts is not None and all(folder.is_dir() for folder in folders):
        one, other = (side_of_folder(folder, model, revision, block) for folder in folders)
        read: Sequence[Content | str] = _lines(texts)
    else:
        with context.opened(named) as ws:
            one, other = (_side(ws, each, model, revision, block) for each in (a, b))
            read = _lines(texts) if texts else contents_of(project_texts(ws, limit))
    found = read_by_both(one, other, read[:limit])
    assert found is not None  # nothing stops it
    rows = [
        [
            f"{side.block}",
            f"{side.d_sae:,}",
            f"{side.fvu:.3f}",
            f"{side.l0:.1f}",
            f"{side.dead_share:.1%}",
            f"{side.dense_share:.2%}",
            f"{side.n_firing:,}",
            "–" if side.shared is None else f"{side.shared:.1%}",
            "–" if side.shared_firing is None else f"{side.shared_firing:.1%}",
            side.name,
        ]
        for side in found.sides
    ]
    heads = [">block", ">features", ">FVU", ">L0", ">dead", ">dense", ">firing", ">shared", ">of firing", "SAE"]
    said = f"{found.n_texts:,} texts; shared: features with a counterpart in the other, decoder cosine ≥ {COSINE:g}"
    show(found, [*table(heads, rows), said], as_json)


def _side(ws: Workspace, named: str, model: str, revision: str, block: int | None) -> Side:
    from fac_core.feature_space.comparing import side_of_folder, side_of_space
    from fac_core.feature_space.spaces import spaces

    for each in spaces(ws):
        if named in (each.space_id, each.name):
            return side_of_space(each.spec, each.name)
    for folder in (ws.saes / named, Path(named).expanduser()):
        if folder.is_dir():
            return side_of_folder(folder, model, revision, block)
    raise InputError(f"There is no feature space, SAE or folder {named[:80]!r}; see: fac space list, fac sae list")


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The texts {path} cannot be read as UTF-8 text: {error}.") from error
