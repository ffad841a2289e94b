"""A feature opened at random is one that is worth a look."""

from __future__ import annotations

import numpy as np
import pytest

from fac_core.features.held_out import versions
from fac_core.features.interesting import interesting, random_feature
from fac_core.store import explanations as store
from fac_core.store.explanations import EMBEDDING, Score
from fac_core.workspace import Workspace, now
from tests.planted import Planted, keywords, plant

EVERYWHERE, RARE, ALSO_RARE, WEAK, UNNAMED, OF_TEMPLATE = range(6)


@pytest.fixture
def project(ws: Workspace) -> tuple[Workspace, str]:
    some = {RARE: 2.0, ALSO_RARE: 2.0, WEAK: 0.5, UNNAMED: 2.0, OF_TEMPLATE: 2.0}
    texts = [f"about topic {number}" for number in range(20)]
    samples = [Planted("anchor", text, {EVERYWHERE: 3.0, **(some if not n else {})}) for n, text in enumerate(texts)]
    space = plant(ws, samples)
    keywords(ws, space, {feature: f"name {feature}" for feature in (EVERYWHERE, RARE, ALSO_RARE, WEAK, OF_TEMPLATE)})
    with ws.database.transaction() as cursor:
        cursor.execute("DELETE FROM feature_static WHERE space_id = ? AND feature_id = ?", [space, OF_TEMPLATE])
        cursor.execute(
            "INSERT INTO feature_static (space_id, feature_id, is_template) VALUES (?, ?, true)", [space, OF_TEMPLATE]
        )
    return ws, space


def test_it_fires_has_a_name_and_is_neither_dense_nor_of_the_template(project: tuple[Workspace, str]) -> None:
    assert interesting(*project, 1.0).tolist() == [RARE, ALSO_RARE]


def test_where_names_were_scored_its_name_is_trusted(project: tuple[Workspace, str]) -> None:
    ws, space = project
    of_now = versions(ws, space).encoder
    with ws.database.transaction() as cursor:
        for feature, value, low in ((RARE, 0.55, 0.4), (ALSO_RARE, 0.65, 0.55)):
            said = store.explanations_of(ws.database, space, [feature])[0].explanation_id
            score = Score(0, said, feature, EMBEDDING, "tf-idf", of_now, 25, 25, 20, 20, 0, value, low, 1.0, now())
            store.add_score(cursor, space, score)
    assert interesting(ws, space, 1.0).tolist() == [ALSO_RARE]


def test_a_draw_is_never_the_feature_that_is_open(project: tuple[Workspace, str]) -> None:
    draws = [random_feature(*project, 1.0, np.random.default_rng(seed)) for seed in range(20)]
    assert set(draws) == {RARE, ALSO_RARE}
    assert {random_feature(*project, 1.0, np.random.default_rng(s), but=RARE) for s in range(9)} == {ALSO_RARE}
    assert random_feature(*project, 3.0, np.random.default_rng(0)) is None
