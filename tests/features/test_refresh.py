"""Relevance, names and families are always of the data as they are, and are made anew only where those changed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fac_core.coverage.measure import coverage
from fac_core.feature_space.spaces import set_delta
from fac_core.features import describe_job, description
from fac_core.features.judgement import judge
from fac_core.features.naming import rename
from fac_core.features.refresh import follow_datasets, refresh
from fac_core.features.relevance import overrule
from fac_core.jobs import owner
from fac_core.samples.datasets import delete_dataset, restore_dataset, set_role
from fac_core.store.activations import profiles_current
from fac_core.store.approved import APPROVED_DATASET
from fac_core.workspace import Workspace
from tests.planted import Planted, plant

D = 64
N = 60


def _labelled(role: str, dataset: str, *, swap: bool = False) -> list[Planted]:
    """Features 0..59 fire in the harmful samples, each in a third of them, with `swap` in the benign ones."""
    return [
        Planted(
            role,
            f"{dataset} {number}",
            {feature: 3.0 for feature in range(N) if (number % 2 == swap) and (number // 2 + feature) % 3 == 0},
            label="benign" if number % 2 else "harmful",
            dataset=dataset,
        )
        for number in range(120)
    ]


@pytest.fixture
def project(ws: Workspace, jobs_in_process: None) -> tuple[Workspace, str]:
    """An anchor without labels, a labelled pool, a seed; all read, and described."""
    plain = [Planted("anchor", f"plain {i}", {i % D: 3.0}, dataset="plain") for i in range(30)]
    space = plant(ws, [*plain, *_labelled("pool", "labelled"), Planted("seed", "own", {1: 3.0, 2: 3.0})], d_sae=D)
    refresh(ws, space, wait=True)
    return ws, space


def _settle(ws: Workspace) -> list[str]:
    """Let jobs end; their kinds, oldest first."""
    while any(job.active for job in owner.poll(ws)):
        pass
    return [job.kind for job in reversed(owner.jobs(ws))]


def test_a_set_that_becomes_the_anchor_is_tested_at_once(project: tuple[Workspace, str]) -> None:
    ws, space = project
    assert judge(ws, space, D).mode == "alive"
    delete_dataset(ws, "plain")
    set_role(ws, "labelled", "anchor")
    assert len(follow_datasets(ws)) == 1
    assert _settle(ws) == ["describe"]
    judged = judge(ws, space, D)
    assert (judged.mode, judged.n_by_label, coverage(ws, space, 1.0).n_anchor) == ("label", N, N)
    assert description.is_current(ws, space) and follow_datasets(ws) == []


def test_nothing_is_described_twice_unless_asked_to(project: tuple[Workspace, str]) -> None:
    ws, space = project
    rename(ws, space, 0, "a name", "ana")
    overrule(ws, space, 3, True, "ana")
    set_role(ws, "labelled", "seed")
    assert follow_datasets(ws) == [] and refresh(ws, space) is None, "the same texts, anchor and threshold"
    assert refresh(ws, space, force=True) is not None


@pytest.mark.parametrize(
    "change",
    [
        lambda ws, space: set_role(ws, "labelled", "anchor"),
        lambda ws, space: set_role(ws, "labelled", "holdout"),
        lambda ws, space: delete_dataset(ws, "plain"),
        lambda ws, space: delete_dataset(ws, "labelled"),
        lambda ws, space: set_delta(ws, space, 2.0),
    ],
    ids=["role", "held out", "anchor deleted", "pool deleted", "threshold"],
)
def test_whatever_a_description_is_made_from_makes_it_old(
    project: tuple[Workspace, str], change: Callable[[Workspace, str], None]
) -> None:
    ws, space = project
    change(ws, space)
    assert not description.is_current(ws, space)


def test_what_comes_back_as_it_was_needs_no_new_description(project: tuple[Workspace, str]) -> None:
    ws, _ = project
    delete_dataset(ws, "labelled")
    restore_dataset(ws, "labelled")
    assert follow_datasets(ws) == []


def test_labels_count_and_samples_approved_in_review_do_not(project: tuple[Workspace, str]) -> None:
    ws, space = project
    with ws.database.transaction() as cursor:
        cursor.execute(
            f"INSERT INTO dataset SELECT '{APPROVED_DATASET}', name, 'synthetic', 'review', '', '{{}}', 1, 0, 0, 0, "
            "created_at, NULL FROM dataset WHERE dataset_id = 'seed'"
        )
        cursor.execute("UPDATE dataset SET deleted_at = created_at WHERE dataset_id = 'labelled'")
    refresh(ws, space, wait=True)
    with ws.database.transaction() as cursor:
        cursor.execute(
            "INSERT INTO sample SELECT nextval('sample_seq') + 1000, ?, 1, 'c', content_id, NULL, NULL, '{}', '{}' "
            "FROM sample WHERE dataset_id = 'labelled' LIMIT 1",
            [APPROVED_DATASET],
        )
    assert description.is_current(ws, space), "it was written after a feature's name"
    with ws.database.transaction() as cursor:
        cursor.execute("UPDATE sample SET label = 'harmful' WHERE dataset_id = 'plain' AND row_number < 9")
    assert not description.is_current(ws, space)


def test_a_change_during_a_description_is_followed_by_another(
    project: tuple[Workspace, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ws, space = project
    delete_dataset(ws, "plain")
    first = follow_datasets(ws)
    set_role(ws, "labelled", "anchor")
    assert follow_datasets(ws) == first, "one description at a time"
    assert _settle(ws) == ["describe", "describe"]
    assert description.is_current(ws, space) and judge(ws, space, D).n_by_label == N


def test_a_description_that_is_half_made_counts_as_none(
    project: tuple[Workspace, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ws, space = project

    def cut_off(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(describe_job, "finalise", cut_off)
        with pytest.raises(KeyboardInterrupt):
            refresh(ws, space, wait=True, force=True)
    assert description.made(ws, space) is None and not description.is_current(ws, space)


def test_texts_that_were_not_read_yet_put_the_description_off_to_their_reading(
    project: tuple[Workspace, str],
) -> None:
    ws, _ = project
    set_role(ws, "labelled", "anchor")
    with ws.database.transaction() as cursor:
        cursor.execute("DELETE FROM content_read WHERE content_id = (SELECT max(content_id) FROM content)")
    assert follow_datasets(ws) == []


def test_a_dataset_of_texts_read_before_counts_without_a_reading(project: tuple[Workspace, str]) -> None:
    ws, space = project
    with ws.database.transaction() as cursor:
        cursor.execute("DELETE FROM profile_total WHERE dataset_id = 'plain'")
        cursor.execute("DELETE FROM profile WHERE dataset_id = 'plain'")
    assert coverage(ws, space, 1.0).n_anchor == 0
    follow_datasets(ws)
    assert coverage(ws, space, 1.0).n_anchor == 30


def test_judging_and_describing_leave_profiles_current(project: tuple[Workspace, str]) -> None:
    ws, space = project
    assert profiles_current(ws.database, space)
    before = ws.data_version
    overrule(ws, space, 3, False, "ana")
    refresh(ws, space, wait=True, force=True)
    assert ws.data_version == before + 2 and profiles_current(ws.database, space)
