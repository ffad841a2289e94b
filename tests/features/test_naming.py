"""What a feature is called follows a person first, then the project's setting, everywhere at once."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from fac_core.errors import InputError
from fac_core.features.asked.starting import explanations_to_judge
from fac_core.features.explained import overview
from fac_core.features.naming import CHOICES, call_by, called_by, newest, rename
from fac_core.store import explanations as store
from fac_core.store import features as names
from fac_core.store.explanations import EMBEDDING, LLM, Score
from fac_core.workspace import Workspace, now
from tests.planted import Planted, plant

FEATURES = range(8)


@dataclass
class Project:
    """A project whose features have keywords `k0`, `k1` ..."""

    ws: Workspace
    space: str

    def say(self, feature: int, text: str, verdict: str | None = "yes") -> int:
        """Let a model explain a feature."""
        with self.ws.database.transaction() as cursor:
            told = {"method": LLM, "author": "m", "model": "m", "text": text, "verdict": verdict, "at": now()}
            return store.add_explanation(cursor, self.space, feature, **told)  # type: ignore[arg-type]

    def score(self, explanation: int, feature: int, value: float | None, version: str = "1", judge: str = "e") -> None:
        """Note an encoder's score."""
        row = (0, explanation, feature, EMBEDDING, judge, version, 30, 30, 0.0, 0.0, 0, value, value, value, now())
        with self.ws.database.transaction() as cursor:
            store.add_score(cursor, self.space, Score(*row))

    def keywords(self, feature: int) -> int:
        """Id of a feature's keywords."""
        return next(
            each.explanation_id
            for each in store.explanations_of(self.ws.database, self.space, [feature])
            if each.method == names.KEYWORDS
        )

    def called(self) -> dict[int, tuple[str, str]]:
        """Name and who gave it, by feature."""
        rows = names.names(self.ws.database, self.space).to_pylist()
        return {row["feature_id"]: (row["name"], row["named_by"]) for row in rows}


@pytest.fixture
def project(ws: Workspace) -> Project:
    import pyarrow as pa

    space = plant(ws, [Planted("anchor", f"text {i}", {i: 2.0}) for i in FEATURES])
    table = pa.table({"feature_id": pa.array(FEATURES, pa.int32()), "text": [f"k{i}" for i in FEATURES]})
    with ws.database.transaction() as cursor:
        names.add_method_names(cursor, space, names.KEYWORDS, table, "method", now())
    return Project(ws, space)


def test_a_project_calls_features_by_keywords_until_it_is_told_otherwise(project: Project) -> None:
    project.say(0, "a model's words")
    assert called_by(project.ws) == "keywords" and project.called()[0] == ("k0", "keywords")
    call_by(project.ws, "model")
    assert project.called()[0] == ("a model's words", "llm") and project.called()[1] == ("k1", "keywords")
    with pytest.raises(InputError, match="cannot be named by"):
        call_by(project.ws, "dice")


def test_a_model_names_only_what_it_could_tell_and_no_verifier_refuted(project: Project) -> None:
    call_by(project.ws, "model")
    for feature, verdict in enumerate(["no", store.CANNOT_TELL, None, "maybe"]):
        project.say(feature, "told", verdict)
    assert [project.called()[feature][0] for feature in range(4)] == ["k0", "k1", "told", "told"]
    project.say(2, "wrong", "no")
    assert project.called()[2][0] == "told", "what stood before a refuted one stands"


def test_a_persons_name_stands_whatever_the_setting_is(project: Project) -> None:
    project.score(project.say(0, "told"), 0, 0.9)
    project.score(project.keywords(0), 0, 0.6)
    rename(project.ws, project.space, 0, "mine", "ana")
    for choice in CHOICES:
        call_by(project.ws, choice)
        assert project.called()[0] == ("mine", "human")
    rename(project.ws, project.space, 0, "", "ana")
    assert project.called()[0] == ("told", "llm")


@pytest.mark.parametrize(
    ("model", "keywords", "wins"),
    [(0.8, 0.7, True), (0.7, 0.8, False), (0.7, 0.7, False), (None, 0.7, False), (0.9, None, False)],
    ids=["better", "worse", "tie", "model unscored", "keywords unscored"],
)
def test_the_better_scored_text_is_the_name_and_a_tie_is_the_keywords(
    project: Project, model: float | None, keywords: float | None, wins: bool
) -> None:
    call_by(project.ws, "best")
    said = project.say(0, "told")
    assert project.called()[0][0] == "k0", "nothing is scored"
    project.score(said, 0, model)
    if keywords is not None:
        project.score(project.keywords(0), 0, keywords)
    assert project.called()[0] == (("told", "llm") if wins else ("k0", "keywords"))


def test_scores_of_other_documents_or_another_encoder_are_not_compared(project: Project) -> None:
    call_by(project.ws, "best")
    said = project.say(0, "told")
    project.score(project.keywords(0), 0, 0.6)
    project.score(said, 0, 0.9, version="2")
    assert project.called()[0][0] == "k0"
    project.score(said, 0, 0.9, judge="another")
    assert project.called()[0][0] == "k0"
    project.score(said, 0, 0.9)
    assert project.called()[0][0] == "told"
    project.score(said, 0, 0.5)
    assert project.called()[0][0] == "k0", "the last score counts"


def test_whatever_changes_a_name_changes_what_names_go_with(project: Project) -> None:
    ws, space = project.ws, project.space
    seen = {newest(ws, space)}
    said = project.say(0, "told")
    seen.add(newest(ws, space))
    call_by(ws, "best")
    seen.add(newest(ws, space))
    project.score(said, 0, 0.9)
    seen.add(newest(ws, space))
    assert len(seen) == 4


def test_overview_and_judge_follow_what_a_feature_is_called(project: Project) -> None:
    ws, space = project.ws, project.space
    said = project.say(0, "told")
    assert [each.text for each in explanations_to_judge(ws, space, [0], "name")] == ["k0"]
    call_by(ws, "model")
    assert [each.explanation_id for each in explanations_to_judge(ws, space, [0], "name")] == [said]
    assert [each.in_force for each in overview(ws, space, 0).explained] == [True, False]
    assert names.names_of(ws.database, space, [0]) == {0: "told"} and names.count_named(ws.database, space) == 8


@pytest.mark.parametrize("verdict", ["no", store.CANNOT_TELL])
def test_a_models_name_is_scored_and_judged_whatever_a_model_failed_to_say_since(
    project: Project, verdict: str
) -> None:
    first = project.say(3, "its name")
    call_by(project.ws, "model")
    last = project.say(3, "something else" if verdict == "no" else "", verdict)
    assert project.called()[3] == ("its name", "llm")
    waiting = store.current_explanations(project.ws.database, project.space).to_pylist()
    own = [row["explanation_id"] for row in waiting if row["feature_id"] == 3]
    assert own == [project.keywords(3), first, *([last] if verdict == "no" else [])]
    (judged,) = explanations_to_judge(project.ws, project.space, [3], "name")
    assert judged.explanation_id == first
