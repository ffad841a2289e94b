"""What a job would ask is known before it starts: the questions of a plan are those its worker puts, replies aside.

Whatever has been said with the same model and wording, or judged so on the same documents, is left out unless it is
asked for again. Then, too, what was answered well costs nothing, and only questions whose replies could not be read are
put anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from fac_core.errors import InputError
from fac_core.feature_space.spaces import space
from fac_core.features.asked import detect_tables, explain_job
from fac_core.features.asked.detect_tables import Asked, detection
from fac_core.features.asked.documents import MIN_FIRING, PER_BAND, PER_BAND_QUICK, Documents, Held
from fac_core.features.asked.explaining import VERSION
from fac_core.features.asked.explaining import questions_for as explaining_questions
from fac_core.features.asked.judging import Trial, questions, version
from fac_core.features.held_out import versions
from fac_core.features.relevance import check_feature
from fac_core.jobs import owner
from fac_core.llm.terms import Terms
from fac_core.store import explanations as store
from fac_core.store import features as features_store
from fac_core.store.explanations import DETECTION, FUZZING, Explanation

if TYPE_CHECKING:
    import pyarrow as pa

    from fac_core.llm.asking import Question
    from fac_core.llm.prices import Cap
    from fac_core.workspace import Workspace

EXPLAIN, DETECT = "explain", "detect"
"""Kinds of job."""
SEED = 0
"""Of choosing and ordering documents, the same for every score so that two explanations meet the same ones."""
Which = Literal["llm", "name", "all"]
"""Explanations of a feature that are judged: the newest one a model wrote; its name; the newest of each author's."""


class Planned(NamedTuple):
    """A job that can be started."""

    kind: str
    title: str
    spec: dict[str, Any]
    inputs: dict[str, pa.Table]
    questions: list[Question]
    """What it asks, for an estimate: a verifier's question and fuzzing's marks stand in for those not known yet."""
    n: int
    """Features explained, or explanations judged."""
    left_out: dict[str, int]
    """Why the others are not asked for: {reason: how many}."""

    @property
    def terms(self) -> Terms:
        """How it asks."""
        return Terms.from_spec(self.spec["terms"])

    def start(self, ws: Workspace, cap: Cap | None = None) -> str:
        """Start the job, with another cap than the plan's if one is given; returns its id.

        Raises:
            InputError: nothing is left to ask, or the cap cannot be kept.
            StoreError: the job folder cannot be written.
        """
        if not self.n:
            why = "; ".join(f"{n} {reason}" for reason, n in self.left_out.items() if n) or "no feature was chosen"
            raise InputError(f"There is nothing to ask: {why}.")
        spec = self.spec
        if cap is not None:
            terms = replace(self.terms, cap=cap)
            cap.check(terms.price)
            spec = {**spec, "terms": terms.as_spec()}
        return owner.start(ws, self.kind, self.title, spec, self.inputs)


def plan_explaining(
    ws: Workspace, space_id: str, feature_ids: Sequence[int], terms: Terms, *, again: bool = False
) -> Planned:
    """Have features explained by the model of the terms.

    Raises:
        InputError: unknown space or feature.
    """
    wanted = _checked(ws, space_id, feature_ids)
    said = store.explanations_of(ws.database, space_id, wanted)
    done = {
        each.feature_id: each.text for each in reversed(said) if (each.model, each.version) == (terms.model, VERSION)
    }
    left = wanted if again else [feature for feature in wanted if feature not in done]
    shown = list(Documents(ws, space_id).shown(left))
    return Planned(
        EXPLAIN,
        f"Explain {_plural(len(shown), 'feature')}",
        {
            "space_id": space_id,
            "features": [each.feature_id for each in shown],
            "terms": replace(terms, anew=again).as_spec(),
        },
        {"span": explain_job.to_table(shown)},
        explaining_questions(shown, done),
        len(shown),
        {
            "explained by this model already": len(wanted) - len(left),
            "active on no document for explaining": len(left) - len(shown),
        },
    )


def plan_detecting(
    ws: Workspace,
    space_id: str,
    feature_ids: Sequence[int],
    terms: Terms,
    *,
    which: Which = "llm",
    fuzz: bool = False,
    quick: bool = False,
    again: bool = False,
) -> Planned:
    """Have explanations of features judged by the model of the terms; with `quick`, on 10 + 10 documents, not 25 + 25.

    Raises:
        InputError: unknown space or feature.
    """
    wanted = _checked(ws, space_id, feature_ids)
    candidates = explanations_to_judge(ws, space_id, wanted, which)
    per_band = PER_BAND_QUICK if quick else PER_BAND
    state = versions(ws, space_id).reading
    done = set() if again else _judged(ws, space_id, wanted, terms.model, per_band, state, fuzz=fuzz)
    left = [each for each in candidates if each.explanation_id not in done]
    held = dict(Documents(ws, space_id).held(sorted({each.feature_id for each in left}), per_band, SEED))
    asked = [Asked(each.explanation_id, each.feature_id, each.text) for each in left if each.feature_id in held]
    spec: dict[str, Any] = {"space_id": space_id, "seed": SEED, "per_band": per_band, "fuzz": fuzz, "reading": state}
    spec["features"] = sorted({each.feature_id for each in asked})
    spec["terms"] = replace(terms, anew=again).as_spec()
    return Planned(
        DETECT,
        f"Judge {_plural(len(asked), 'explanation')}",
        {**spec, "space": asdict(space(ws, space_id).spec)},
        detect_tables.to_tables(asked, held, fuzz=fuzz),
        [question for each in asked for trial in _trials(each, held, fuzz=fuzz) for question in questions(trial, SEED)],
        len(asked),
        {
            "without an explanation to judge": len(set(wanted) - {each.feature_id for each in candidates}),
            "judged by this model already": len(candidates) - len(left),
            f"active on fewer than {MIN_FIRING} documents for scoring": len(left) - len(asked),
        },
    )


def explanations_to_judge(ws: Workspace, space_id: str, feature_ids: Sequence[int], which: Which) -> list[Explanation]:
    """Explanations of some features, by feature; where a model could not tell, it said nothing that can be judged."""
    said = store.explanations_of(ws.database, space_id, feature_ids)
    newest: dict[tuple[int, str, str | None], Explanation] = {}
    for each in said:
        newest.setdefault((each.feature_id, each.method, each.model), each)
    usable = [each for each in newest.values() if each.says_something]
    if which == "llm":
        first: dict[int, Explanation] = {}
        for each in usable:
            if each.method == store.LLM:
                first.setdefault(each.feature_id, each)
        usable = list(first.values())
    elif which == "name":
        names = features_store.names_of(ws.database, space_id, feature_ids)
        # a model may have said something else since, that cannot be a name
        named = [each for each in said if each.says_something and names.get(each.feature_id) == each.text]
        usable = list({each.feature_id: each for each in reversed(named)}.values())
    return sorted(usable, key=lambda each: (each.feature_id, each.explanation_id))


def _trials(asked: Asked, held: dict[int, list[Held]], *, fuzz: bool) -> list[Trial]:
    documents = held[asked.feature_id]
    found = [detection(asked, [each.item for each in documents])]
    if fuzz:
        firing = tuple(each.item for each in documents if each.item.fires)
        found.append(Trial(FUZZING, asked.explanation_id, asked.feature_id, asked.text, firing))
    return found


def _judged(
    ws: Workspace, space_id: str, feature_ids: Sequence[int], model: str, per_band: int, state: str, *, fuzz: bool
) -> set[int]:
    """Explanations that every protocol in question has judged with this model and wording on these documents."""
    found: dict[str, set[int]] = {protocol: set() for protocol in (DETECTION, *([FUZZING] if fuzz else []))}
    for score in store.scores_of(ws.database, space_id, feature_ids):
        if score.protocol not in found or score.judge != model or score.value is None:
            continue
        if score.version == version(score.protocol, SEED, per_band, state):
            found[score.protocol].add(score.explanation_id)
    return set.intersection(*found.values())


def _checked(ws: Workspace, space_id: str, feature_ids: Sequence[int]) -> list[int]:
    wanted = list(dict.fromkeys(feature_ids))
    for feature in {min(wanted, default=0), max(wanted, default=0)}:
        check_feature(ws, space_id, feature)
    return wanted


def _plural(n: int, what: str) -> str:
    return f"{n:,} {what}{'s' * (n != 1)}"
