"""A project in which every text of others is hostile: texts, names, labels, fields, candidates, runs, and what a model
said about features.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from fac_core import workspace
from fac_core.coverage import worklist
from fac_core.features.marks import KINDS, mark
from fac_core.review.decisions import decide
from fac_core.store.explanations import DETECTION, LLM, Score, ScoreItem, add_explanation, add_score
from fac_core.store.relevance import Rating, add_ratings
from fac_core.tasks import load_task
from fac_core.workspace import Workspace, now
from tests.e2e.canary import Canary
from tests.planted import Planted, family, keywords, plant, relevant_by_label
from tests.review.making import RUN, add_candidate

N_FEATURES = 24


def make_hostile_project(home: Path, bird: Canary) -> None:
    """Make it in `home`; every feature fires in the anchor, half of them in the seed, some in the pool."""
    ws = workspace.create(bird.corpus("project")[1], "toxicity", root=home)
    groups, texts = bird.corpus("group"), bird.corpus("text")
    samples = []
    for role, n, features in (("anchor", 64, N_FEATURES), ("seed", 40, N_FEATURES // 2), ("pool", 16, N_FEATURES)):
        for i in range(n):
            text = f"{texts[i % len(texts)]} {role} {i}"
            active = {(i * 3 + k) % features: 4.0 + k for k in range(4)}
            meta = {"topic": groups[i % 4], groups[4]: groups[i % 2]}
            label = ("harmful", "benign", groups[2])[i % 3]
            samples.append(
                Planted(role, text, active, label=label, meta=meta, dataset=f"{role} {bird.corpus('set')[i % 2]}")
            )
    space_id = plant(ws, samples, d_sae=N_FEATURES, default_delta=1.0)
    names = bird.corpus("name")
    keywords(ws, space_id, {feature: f"{names[feature % len(names)]} {feature}" for feature in range(N_FEATURES)})
    relevant_by_label(ws, space_id, range(N_FEATURES))
    family(ws, space_id, [12, 13])
    with ws.database.transaction() as cursor:
        # planted rows bring their own ids; what follows must get others
        cursor.execute("SELECT nextval('sample_seq'), nextval('content_seq') FROM range(200)").fetchall()
        cursor.execute(
            "UPDATE sample SET fields = json_object('text', c.text) FROM content c "
            "WHERE c.content_id = sample.content_id"
        )
        cursor.execute(
            "UPDATE dataset SET n_rows = (SELECT count(*) FROM sample s WHERE s.dataset_id = dataset.dataset_id)"
        )
        cursor.execute(
            "INSERT INTO synthesis_run VALUES (?, ?, 1.0, 'local', ?, ?, ?)",
            [RUN, space_id, json.dumps({"model": names[0]}), list(range(12, 20)), now()],
        )
    for number in range(12):
        text = f"{texts[number % len(texts)]} pool {number}"
        feature = (number * 3) % N_FEATURES
        add_candidate(ws, f"c{number:02}", text, feature, target_value=4.0, label=groups[2])
    decide(ws, "c00", names[3], "approve", revision=0)
    worklist.add(ws, space_id, range(12, 20), names[1])
    said_by_a_model(ws, space_id, bird)
    ws.close()


def said_by_a_model(ws: Workspace, space_id: str, bird: Canary) -> None:
    """Explanations, scores and a rating with reasons, and marks of a person, all of hostile words."""
    names, texts = bird.corpus("said"), bird.corpus("text")
    version = load_task(ws.task).rubric_version
    with ws.database.transaction() as cursor:
        for number, text in enumerate(names):
            told: dict[str, Any] = {
                "method": LLM,
                "author": names[0],
                "text": text,
                "model": names[1],
                "version": names[2],
            }
            said = add_explanation(cursor, space_id, 12, at=now(), verdict="yes", detail={"reason": texts[0]}, **told)
            score = Score(0, said, 12, DETECTION, names[1], names[2], 12, 12, 9.0, 8.0, 1, 0.7, 0.55, 0.85, now())
            add_score(cursor, space_id, score, [ScoreItem(1 + number, True, False, None)])
        rating = Rating(12, "probably", texts[1], version, names[2], names[1], None, now())
        add_ratings(cursor, space_id, pa.Table.from_pylist([rating._asdict()]))
    for kind in KINDS:
        mark(ws, space_id, [12, 13], kind, names[3][:40], names[0])
