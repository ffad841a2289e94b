"""What the embedded chat model is worth as explainer and as judge: the honest figure of a model of 135 M parameters.

Starts the local server of `fac llm serve`, has features of the toxicity demo explained, and judges every explanation
beside those of the same features shuffled (each feature gets another one's), which an honest score puts at one half:

* embedding: AUROC of the offline score, on held-out documents, by the sentence encoder or its stand-in.
* detection: balanced accuracy by the embedded model itself, 10 + 10 held-out documents of each feature.

Printed: what became of the calls, verdicts, and the distribution of both scores; beside them the same for keywords, and
the estimate before the start against the ledger after it. The server answers greedily, so a run can be repeated.

    nice python benchmarks/asked.py [--features 30] [--skip 0] [--judge-features 10] [--port 8765] [--json FILE]
    python benchmarks/asked.py --base-url URL --model NAME      # another endpoint instead
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fac_core.demo import open_demo
from fac_core.feature_space import spaces
from fac_core.feature_space.embedded import backbone_folder
from fac_core.features.asked.choosing import RELEVANT, chosen
from fac_core.features.asked.documents import PER_BAND_QUICK, Documents
from fac_core.features.asked.results import said
from fac_core.features.asked.starting import SEED, Planned, plan_detecting, plan_explaining
from fac_core.features.held_out import HeldOut, tables
from fac_core.jobs import kinds, owner
from fac_core.llm.estimate import Estimate, estimate
from fac_core.llm.serving import serving
from fac_core.llm.spending import spend
from fac_core.llm.terms import Terms, make_terms
from fac_core.store import explanations as store
from fac_core.store.features import names_of
from fac_core.workspace import Workspace, now

SHUFFLED = "shuffled"
"""Author of explanations that belong to another feature."""
Scores = dict[str, list[float | None]]


def main() -> None:
    """Print the tables; with --json also write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=int, default=30)
    parser.add_argument("--skip", type=int, default=0, help="features of the draw that another run takes")
    parser.add_argument("--judge-features", type=int, default=10, help="of these, how many the model judges")
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--base-url", default="")
    parser.add_argument("--model", default="")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["FAC_HOME"] = home
        for kind in ("describe", "explain"):
            kinds.FOLLOW_UPS.pop(kind, None)  # nothing scores beside what is measured
        ws = open_demo("toxicity")
        try:
            _settle(ws)
            with _endpoint(options.base_url, options.model, Path(home) / "served", options.port) as (url, model):
                terms = make_terms(ws, base_url=url, model=model)
                found = measure(ws, terms, options)
        finally:
            ws.close()
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def measure(ws: Workspace, terms: Terms, options: argparse.Namespace) -> dict[str, Any]:
    """All figures, printed as they come."""
    space = spaces.current(ws)
    assert space is not None
    space_id, delta = space.space_id, spaces.delta(ws, space.space_id)
    rng = random.Random(options.seed)
    shuffled = chosen(ws, space_id, delta, RELEVANT)
    rng.shuffle(shuffled)
    end = options.skip + options.features
    scorable = [feature for feature, _ in Documents(ws, space_id).held(shuffled[: 4 * end], PER_BAND_QUICK, SEED)]
    features = scorable[options.skip : end]
    print(f"{len(features)} of {len(shuffled)} task-relevant features of the anchor, drawn at random ({options.seed})")

    explained = _carried_out(ws, terms, plan_explaining(ws, space_id, features, terms))
    own = {each.explanation.feature_id: each.explanation for each in said(ws, space_id, features)}
    texts = {feature: each.text for feature, each in own.items() if each.verdict != store.CANNOT_TELL}
    print(f"explained {len(texts)}, cannot tell {len(own) - len(texts)}, nothing {len(features) - len(own)}")
    print("verdicts", dict(Counter(each.verdict or "not verified" for each in own.values())))
    names = names_of(ws.database, space_id, features)
    for feature, text in texts.items():
        print(f"  {feature:6d}  {names.get(feature, ''):30.30}  {text:.110}")

    kinds = {"keywords": names, "shuffled keywords": _others(names, rng), "model": texts, SHUFFLED: _others(texts, rng)}
    embedded: Scores = {kind: _aurocs(ws, space_id, delta, said_of) for kind, said_of in kinds.items()}
    _print_scores("embedding AUROC", embedded)

    few = list(texts)[: options.judge_features]
    detected: Scores = {}
    judging: dict[str, Any] = {}
    for kind in ("keywords", "model", SHUFFLED):
        said_of = {feature: kinds[kind][feature] for feature in few if feature in kinds[kind]}
        _write(ws, space_id, kind, said_of)
        judging[kind] = _carried_out(ws, terms, plan_detecting(ws, space_id, list(said_of), terms, quick=True))
        newest = {each.explanation.feature_id: each.scores for each in said(ws, space_id, list(said_of))}
        detected[kind] = [scores["detection"].value if "detection" in scores else None for scores in newest.values()]
    _print_scores("detection, balanced accuracy", detected)
    return {"said": kinds, "explaining": explained, "embedding": embedded, "judging": judging, "detection": detected}


def _carried_out(ws: Workspace, terms: Terms, plan: Planned) -> dict[str, Any]:
    """Carry a plan out, and say what became of it beside what was expected."""
    expected, before, began = estimate(ws, terms, plan.questions), _spent(ws), time.monotonic()
    job = owner.wait(ws, plan.start(ws))
    if job.state != "completed":
        raise SystemExit(f"{job.title}: {job.state}: {job.message}")
    spent = Counter(_spent(ws))
    spent.subtract(before)
    print(f"{plan.title}: {time.monotonic() - began:.0f} s; {(job.result or {}).get('outcomes')}")
    _print_costs(expected, spent)
    return {"result": job.result, "estimate": _costs(expected), "ledger": dict(spent)}


def _aurocs(ws: Workspace, space_id: str, delta: float, said_of: dict[int, str]) -> list[float | None]:
    bench = HeldOut(tables(ws, space_id), delta)
    found = bench.score(list(said_of.items())) if said_of else []
    return [each.result.value if each.result else None for each in found]


def _others(said_of: dict[int, str], rng: random.Random) -> dict[int, str]:
    """Each feature with the text of another one: a random cycle."""
    order = list(said_of)
    rng.shuffle(order)
    return {feature: said_of[other] for feature, other in zip(order, [*order[1:], *order[:1]], strict=True)}


def _write(ws: Workspace, space_id: str, author: str, said_of: dict[int, str]) -> None:
    """Make texts the newest explanations, so that they are the ones that are judged."""
    with ws.database.transaction() as cursor:
        for feature, text in said_of.items():
            store.add_explanation(
                cursor, space_id, feature, method=store.LLM, author=author, text=text, at=now(), model=author
            )


def _spent(ws: Workspace) -> dict[str, int]:
    rows = spend(ws)
    names: dict[str, Callable[[Any], int]] = {
        "calls": lambda row: row.n_attempts,
        "tokens in": lambda row: row.tokens_in,
        "tokens out": lambda row: row.tokens_out,
    }
    return {name: sum(int(of(row)) for row in rows) for name, of in names.items()}


def _costs(expected: Estimate) -> dict[str, int]:
    return {"calls": expected.calls, "tokens in": expected.tokens_in, "tokens out": expected.tokens_out}


def _print_costs(expected: Estimate, spent: Counter[str]) -> None:
    for name, number in _costs(expected).items():
        print(f"  {name}: expected {number:,}, ledger {spent[name]:,}")


def _print_scores(title: str, scores: Scores) -> None:
    print(f"{title:30}{'n':>6}{'none':>6}{'p10':>8}{'median':>8}{'mean':>8}{'p90':>8}{'> .7':>8}")
    for kind, values in scores.items():
        print(f"{kind:30}" + _row([value for value in values if value is not None], values))


def _row(known: Sequence[float], every: Sequence[float | None]) -> str:
    counts = f"{len(known):6d}{len(every) - len(known):6d}"
    if len(known) < 2:
        return counts + "".join(f"{value:8.3f}" for value in known)
    tenths = statistics.quantiles(known, n=10, method="inclusive")
    share = sum(value > 0.7 for value in known) / len(known)
    figures = (tenths[0], statistics.median(known), statistics.mean(known), tenths[8], share)
    return counts + "".join(f"{figure:8.3f}" for figure in figures)


def _settle(ws: Workspace) -> None:
    owner.poll(ws)
    while active := owner.active(ws):
        owner.wait(ws, active[0].job_id)


@contextmanager
def _endpoint(base_url: str, model: str, folder: Path, port: int) -> Iterator[tuple[str, str]]:
    if base_url:
        yield base_url, model
        return
    with serving(backbone_folder(print), folder, port, print) as endpoint:
        yield endpoint.base_url, endpoint.model


if __name__ == "__main__":
    main()
