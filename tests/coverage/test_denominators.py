"""A rate is taken over what was read: unread samples, template tokens and padding are in no denominator (P24)."""

from __future__ import annotations

import pytest

from fac_core.feature_space.extractor import Extractor, Health
from fac_core.features.facts import load_facts
from fac_core.features.table import feature_page
from fac_core.store.coverage import samples_read
from fac_core.workspace import Workspace
from tests.planted import Planted, plant, recount
from tests.tiny import ODD_TEXTS, add_dataset


def test_p24_unread_samples_are_in_no_density_and_no_expectation(ws: Workspace) -> None:
    samples = [Planted("anchor", f"anchor {i}", {1: 2.0} if i < 3 else {}) for i in range(12)]
    space = plant(ws, [*samples, *(Planted("seed", f"seed {i}", {}) for i in range(8))])
    with ws.database.cursor() as cursor:  # planted numbers are taken
        cursor.execute("SELECT nextval('content_seq'), nextval('sample_seq') FROM range(20)").fetchall()
    add_dataset(ws, "anchor", [{"text": f"unread {i}"} for i in range(5)], name="unread anchor")
    add_dataset(ws, "seed", [{"text": f"unread {i}"} for i in range(3)], name="unread seed")
    recount(ws, space)
    counts = load_facts(ws, space, 1.0).counts
    assert samples_read(ws.database, space)["anchor"] == 12 and samples_read(ws.database, space)["seed"] == 8
    assert counts.anchor_rate[1] == 3 / 12 and counts.expected_in_seed[1] == 3 / 12 * 8
    assert feature_page(ws, space, 1.0, search="1").rows[0].density_anchor == 3 / 12


def test_p24_tokens_counted_are_those_of_the_content_alone(extractor: Extractor) -> None:
    texts = [ODD_TEXTS[0], ODD_TEXTS[1], ODD_TEXTS[6]]
    extractor.health = Health()
    read = extractor.read_all(texts)
    heat = [extractor.read_tokens(text) for text in texts]
    assert [text.n_tokens for text in read] == [len(each.tokens.ids) for each in heat]
    assert [text.l0 for text in read] == pytest.approx([len(each.features) / len(each.tokens.ids) for each in heat])
    assert extractor.health.n_tokens == sum(len(each.tokens.ids) for each in heat)
    assert extractor.health.n_active == sum(len(each.features) for each in heat)
