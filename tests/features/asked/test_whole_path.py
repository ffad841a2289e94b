"""From a service over HTTP to the badge: what is shown is what was planted, with the service's mistakes in it.

The service knows the planted truth and is wrong on every tenth text, and on every tenth feature's rating; the numbers
expected here are worked out from that alone.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

import pytest

from fac_core.features import trust
from fac_core.features.asked import detect_job, explain_job, rubric_job
from fac_core.features.asked.results import judged, said
from fac_core.features.asked.rubric_plan import plan_rating
from fac_core.features.asked.starting import Planned, plan_detecting, plan_explaining
from fac_core.features.naming import rename
from fac_core.features.relevance import overview
from fac_core.jobs.folder import JobFolder
from fac_core.llm.spending import spend
from fac_core.llm.terms import Terms
from fac_core.store import explanations as store
from fac_core.workspace import Workspace
from tests.llm.fake_endpoint import says, serving
from tests.planted import Planted, peak, plant

WORDS = ["", "bomb", "knife", "poison", "rifle", "fraud", "cake", "garden", "novel", "violin", "river"]
RELEVANT = range(1, 6)
FEATURES = list(range(1, len(WORDS)))
JUDGED = [1, 2, 3]
"""Features that fire on enough documents to be judged."""
MISNAMED = 3
MISRATED = 5
WRONG = 3
"""The service is wrong on texts whose number ends in this."""
N = 10
"""Documents on either side of a quick judgement."""
JOBS = {"explain": explain_job, "detect": detect_job, "judge": rubric_job}


def text_of(feature: int, n: int) -> str:
    return f"note {n}: somebody speaks of a {WORDS[feature]} on day {n}"


@pytest.fixture
def space_id(ws: Workspace) -> str:
    made = []
    for feature in FEATURES:
        for n in range(45 if feature in JUDGED else 6):
            text = text_of(feature, n)
            made.append(Planted("anchor", text, {feature: 1.0 + n / 50}, {feature: peak(text, WORDS[feature])}))
    space_id = plant(ws, made)
    with ws.database.transaction() as cursor:
        for feature in FEATURES:
            cursor.execute(
                "INSERT INTO relevance VALUES (?, ?, 'label', 0.7, 2.0, 0.001, 0.01, 10, ?, 'positive')",
                [space_id, feature, feature in RELEVANT],
            )
    return space_id


def texts_in(user: str) -> list[str]:
    block = user.split("<data>\n", 1)[1].rsplit("\n</data>", 1)[0]
    return [json.loads(line.split(". ", 1)[1]) for line in block.split("\n")]


def truth(handler: Any, body: dict[str, Any]) -> None:
    """A service that reads what it is shown and answers as a good model writes: with words around its object."""
    user = body["messages"][1]["content"]
    texts = texts_in(user)
    marked = re.findall(r"⟦(\w+)⟧", " ".join(texts))
    reply: dict[str, str]
    if "Description" not in user and "explanation" in user:
        reply = {"explanation": f"texts that speak of a {marked[0]}"}
    elif '"verdict"' in user:
        reply = {"reason": "They do.", "verdict": "yes"}
    elif '"rating"' in user:
        feature = WORDS.index(marked[0])
        belongs = (feature in RELEVANT) != (feature == MISRATED)
        reply = {"analysis": "By the rubric.", "rating": "probably" if belongs else "no"}
    else:
        about = re.search(r"speak of a (\w+)", user)
        assert about is not None
        reply = {}
        for place, text in enumerate(texts, start=1):
            n = int(re.search(r"note (\d+)", text)[1])  # type: ignore[index]
            reply[str(place)] = "yes" if (about[1] in text) != (n % 10 == WRONG) else "no"
    says(f"Here it is:\n```json\n{json.dumps(reply)}\n```\nAnything else?")(handler, body)


def carried_out(ws: Workspace, plan: Planned, name: str) -> dict[str, Any]:
    """Run a job as its worker and its owner do, without processes."""
    job, module = JobFolder.create(ws.jobs / name, plan.kind, plan.spec, plan.inputs), JOBS[plan.kind]
    result = module.run(job)  # type: ignore[attr-defined]
    for shard_name, shard in job.shards().items():
        with ws.database.transaction() as cursor:
            module.ingest(cursor, name, plan.spec, shard_name, job.shard_tables(shard))  # type: ignore[attr-defined]
    module.finalise(ws, name, plan.spec, result)  # type: ignore[attr-defined]
    return dict(result)


def wilson(right: int, n: int) -> tuple[float, float]:
    z, share = 1.959964, right / n
    centre, half = share + z * z / (2 * n), z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)


def test_what_is_shown_of_names_and_relevance_is_what_was_planted(ws: Workspace, space_id: str) -> None:
    with serving(truth) as fake:
        terms = Terms(fake.url, "good")
        explained = carried_out(ws, plan_explaining(ws, space_id, FEATURES, terms), "one")
        for each in said(ws, space_id, JUDGED):
            text = each.explanation.text
            assert text == f"texts that speak of a {WORDS[each.explanation.feature_id]}"
            named = text.replace("poison", "river") if each.explanation.feature_id == MISNAMED else text
            rename(ws, space_id, each.explanation.feature_id, named, "ana")
        for which in ("name", "llm"):
            carried_out(ws, plan_detecting(ws, space_id, JUDGED, terms, which=which, quick=True), which)  # type: ignore[arg-type]
        rated = carried_out(ws, plan_rating(ws, space_id, FEATURES, terms), "rated")
    assert explained["outcomes"] == {"explain: answered": 10, "verify: answered": 10} and not explained["rejections"]
    assert rated["ratings"] == {"probably": 4, "no": 6}

    texts, badges = dict(ws.database.rows("SELECT content_id, text FROM content")), trust.badges(ws, space_id)
    by_feature = {each.explanation.feature_id: each for each in judged(ws, space_id, JUDGED, "llm")}
    for feature in JUDGED:
        score = by_feature[feature].scores["detection"]
        items = store.score_items(ws.database, score.score_id)
        wrong = {True: 0, False: 0}
        for item in items:
            wrong[item.fires] += int(texts[item.content_id].split()[1].rstrip(":")) % 10 == WRONG
        right = [N - wrong[fires] for fires in (True, False)]
        bounds = [wilson(n, N) for n in right]
        value = sum(right) / (2 * N)
        low = value - math.hypot(*(n / N - bound[0] for n, bound in zip(right, bounds, strict=True))) / 2
        high = value + math.hypot(*(bound[1] - n / N for n, bound in zip(right, bounds, strict=True))) / 2
        assert sum(wrong.values()) <= 5 and (score.n_firing, score.n_silent, score.n_unanswered) == (N, N, 0)
        assert (score.value, score.low, score.high) == pytest.approx((value, low, high), abs=1e-4)
        expected = trust.HIGH if low >= 0.7 else trust.MIDDLE
        assert value >= 0.8 and badges[feature] == (trust.LOW if feature == MISNAMED else expected)

    found = overview(ws, space_id).agreement
    assert found is not None and found == (4, 1, 0, 5), "both, label only, judge only, neither"
    assert found.share == 0.9 and found.kappa == pytest.approx((0.9 - 0.5) / (1 - 0.5))
    assert found.interval == pytest.approx(wilson(9, 10), abs=1e-4)

    ledger = {row.purpose: row for row in spend(ws)}
    assert {purpose: row.n_attempts for purpose, row in ledger.items()} == {
        "explain": 10, "verify": 10, "judge": 10, "detect": 4 * 8
    }  # fmt: skip
    assert all(set(row.outcomes) == {"answered"} for row in ledger.values())
