"""`fac llm`: an endpoint for who has none, what a model costs, what calls have cost, and a question to try one."""

from __future__ import annotations

import signal
import sys
import threading
from typing import Annotated

import typer

from fac_core.cli import context
from fac_core.cli.context import Json, Project
from fac_core.cli.show import plural, safe, say, show, table
from fac_core.errors import InputError

llm = typer.Typer(no_args_is_help=True, help="Language models behind an endpoint: serve one, set prices, see costs.")


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.add_typer(llm, name="llm")


@llm.command()
def serve(
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8765,
    keep: Annotated[bool, typer.Option(help="Make it the project's endpoint.")] = False,
    named: Project = None,
) -> None:
    """Serve the embedded chat model on this machine until it is stopped with Ctrl-C; needs no network."""
    from fac_core.feature_space.embedded import backbone_folder
    from fac_core.llm.endpoint import set_endpoint
    from fac_core.llm.serving import serving

    # whatever stops this process has to stop the server it started
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    model = backbone_folder(say)
    with serving(model, model.with_name("served"), port, say) as endpoint:
        if keep:
            with context.opened(named) as ws:
                set_endpoint(ws, endpoint.base_url, endpoint.model)
        typer.echo(f"address  {endpoint.base_url}")
        typer.echo(f"model    {endpoint.model}")
        say(
            "Kept with the project. Ctrl-C stops it."
            if keep
            else "Enter both in Settings, or pass --keep. Ctrl-C stops it."
        )
        threading.Event().wait()


@llm.command()
def price(
    model: Annotated[str, typer.Argument(help="Name of the model, as the endpoint knows it.")],
    per_million_in: Annotated[float | None, typer.Option("--in", help="Price of a million tokens in.")] = None,
    per_million_out: Annotated[float | None, typer.Option("--out", help="Price of a million tokens out.")] = None,
    forget: Annotated[bool, typer.Option(help="Forget the price.")] = False,
    named: Project = None,
    as_json: Json = False,
) -> None:
    """Set what a model costs, or show what was set; calls that were made keep their price."""
    from fac_core.llm.prices import Price, price_of, set_price

    if (per_million_in is None) != (per_million_out is None):
        raise InputError("Give both prices, --in and --out.")
    with context.opened(named) as ws:
        if forget:
            set_price(ws, model, None)
        elif per_million_in is not None and per_million_out is not None:
            set_price(ws, model, Price(per_million_in, per_million_out))
        known = price_of(ws, model)
    cost = "unpriced" if known is None else f"{known.per_million_in:g} in, {known.per_million_out:g} out, for a million"
    show({"model": model, "price": known}, [f"{safe(model)}: {cost}"], as_json)


@llm.command()
def cost(named: Project = None, as_json: Json = False) -> None:
    """Show what calls have cost, by purpose and model: attempts, outcomes, tokens, money."""
    from fac_core.llm.spending import damage, spend

    with context.opened(named) as ws:
        found, damaged = spend(ws), damage(ws)
    rows = [
        [
            each.purpose,
            f"{each.n_attempts:,}",
            f"{each.tokens_in:,}",
            f"{each.tokens_out:,}",
            "unpriced" if each.price is None else f"{each.price:,.4f}" + (" +unpriced" if each.n_unpriced else ""),
            " ".join(f"{outcome} {n:,}" for outcome, n in each.outcomes.items()),
            each.model,
        ]
        for each in found
    ]
    heads = ["purpose", ">attempts", ">tokens in", ">out", ">price", "outcomes", "model"]
    lines = table(heads, rows) or ["No endpoint was asked yet."]
    assumed = sum(each.n_assumed for each in found)
    if assumed:
        said = "did not say what it billed, and counts in full" if assumed == 1 else "did not say what they billed"
        lines.append(f"{plural(assumed, 'attempt')} {said}{'' if assumed == 1 else ', and count in full'}.")
    for sentence in damaged:
        say(safe(sentence))
    show(found, lines, as_json)


@llm.command()
def ask(
    text: Annotated[str, typer.Argument(help="What to ask.")],
    base_url: Annotated[str, typer.Option(help="Address (default: the project's).")] = "",
    model: Annotated[str, typer.Option(help="Model (default: the project's).")] = "",
    max_tokens: Annotated[int, typer.Option(min=1)] = 100,
    named: Project = None,
    as_json: Json = False,
) -> None:
    """Ask the project's endpoint one question, to see that it works; this is in no ledger."""
    from fac_core.llm.client import ChatClient
    from fac_core.llm.endpoint import confirm, endpoint_of

    with context.opened(named) as ws:
        endpoint = endpoint_of(ws, base_url, model)
        if base_url:
            confirm(endpoint.base_url)
            endpoint = endpoint_of(ws, base_url, model)
    reply = ChatClient(endpoint, attempts=1).ask("", text, max_tokens=max_tokens, temperature=0.0)
    show(reply, [*(safe(line) for line in reply.text.splitlines()), f"({reply.finish}; {reply.usage})"], as_json)
