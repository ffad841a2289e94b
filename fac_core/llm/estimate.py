"""What a job will ask and cost is said before it starts, by the same names and prices that the ledger uses after.

Replies that are there already are left out. What comes out of a model is known only from earlier calls of the same
purpose; before there are any, what a question calls likely is taken, up to all that is allowed. A question that says
nothing of it is taken to use all of that, which is called the most it can be: a small model uses it, and a good one
seldom. How often a model's replies have to be asked for once more is known from all it was asked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from fac_core.llm.asking import Question
from fac_core.llm.calls import CALLS, Calls, journals, request_hash
from fac_core.llm.endpoint import Endpoint
from fac_core.llm.kept import asked_of, is_read, standing
from fac_core.llm.prices import Price
from fac_core.llm.spending import take_in
from fac_core.llm.terms import Terms
from fac_core.llm.tokens import count_in
from fac_core.store import llm as store
from fac_core.workspace import Workspace

SPREAD = (0.75, 1.3)
"""Of the expected tokens out, where earlier calls of the purpose are known."""
IN_SPREAD = (0.9, 1.15)
"""Of the expected tokens in: some replies cannot be read, and their questions are put once more."""
LEAST_LIKELY = 0.5
"""Of the tokens out that questions call likely, at least; a model that thinks first takes all that is allowed."""
IN_SPREAD_BLIND = (0.9, 1.4)
"""The same before anything is known of a purpose: of a few questions a small model may have to be asked many twice."""
LEAST = 0.1
"""Of all the tokens that are allowed out, where nothing is known of what comes out."""
OVER = 1.15
"""Of these, for questions that are put once more."""
ENOUGH = 5
"""Questions from which on earlier calls say what the next will take."""


class PurposeEstimate(NamedTuple):
    """What the questions of one purpose will take."""

    purpose: str
    n_questions: int
    n_cached: int
    calls: float
    """Expected, second asks of unreadable replies included."""
    tokens_in: float
    tokens_out: float
    out_low: float
    out_high: float
    how: str
    """Where the figures come from, for people."""
    at_most: bool
    """Whether the tokens out are all that is allowed, nothing being known of what comes out."""


class Estimate(NamedTuple):
    """What a job will take."""

    model: str
    price: Price | None
    purposes: list[PurposeEstimate]

    @property
    def n_questions(self) -> int:
        """Questions altogether."""
        return sum(each.n_questions for each in self.purposes)

    @property
    def n_cached(self) -> int:
        """Questions whose reply is there already, and costs nothing."""
        return sum(each.n_cached for each in self.purposes)

    @property
    def calls(self) -> int:
        """Calls to be made."""
        return round(sum(each.calls for each in self.purposes))

    @property
    def tokens_in(self) -> int:
        """Tokens that go in."""
        return round(sum(each.tokens_in for each in self.purposes))

    @property
    def tokens_out(self) -> int:
        """Tokens that are expected to come out."""
        return round(sum(each.tokens_out for each in self.purposes))

    @property
    def out_words(self) -> str:
        """Tokens that come out, said to be all that is allowed where that is all that is known."""
        return f"up to about {self.tokens_out:,}" if self._at_most else f"{self.tokens_out:,}"

    @property
    def money(self) -> float | None:
        """Expected price; None where the model's price is not known."""
        return None if self.price is None else self.price.of(self.tokens_in, self.tokens_out)

    @property
    def money_range(self) -> tuple[float, float] | None:
        """Between which prices it is likely to end."""
        if self.price is None:
            return None
        low, high = (sum(getattr(each, name) for each in self.purposes) for name in ("out_low", "out_high"))
        least, most = IN_SPREAD_BLIND if self._at_most else IN_SPREAD
        return self.price.of(self.tokens_in * least, low), self.price.of(self.tokens_in * most, high)

    @property
    def _at_most(self) -> bool:
        return any(each.at_most for each in self.purposes if each.n_questions > each.n_cached)

    @property
    def sentence(self) -> str:
        """All of it for people, in one sentence."""
        cached = f" ({self.n_cached:,} answered before and free)" if self.n_cached else ""
        if self.money_range is None:
            cost = "unpriced, since no price was entered for this model"
        else:
            cost = "{:,.4g} to {:,.4g} at the price you entered".format(*self.money_range)
        return (
            f"{self.n_questions:,} questions{cached}: about {self.calls:,} calls, {self.tokens_in:,} tokens in and "
            f"{self.out_words} out; {cost}."
        )


def estimate(ws: Workspace, terms: Terms, questions: Sequence[Question], *, afresh: bool = False) -> Estimate:
    """What asking some questions will take, without asking any.

    With `afresh`, replies to other jobs do not count, and one that cannot be read is not asked for once more.

    Raises:
        InputError: the endpoint's address or the key cannot be used.
    """
    take_in(ws)
    endpoint = terms.endpoint
    # no journal of its own: those of all jobs are earlier ones
    calls = Calls(ws.jobs / CALLS, endpoint, None, () if afresh else journals(ws.jobs))
    by_purpose: dict[str, dict[str, Question]] = defaultdict(dict)
    cached: dict[str, int] = defaultdict(int)
    n_questions: dict[str, int] = defaultdict(int)
    for question in questions:
        name = request_hash(endpoint, asked_of(question))
        n_questions[question.purpose] += 1
        found = standing(calls, endpoint, question)
        there = is_read(found) if terms.anew else not isinstance(found, Question)
        if there or name in by_purpose[question.purpose]:
            cached[question.purpose] += 1
        else:
            by_purpose[question.purpose][name] = question
    purposes = [
        _of_purpose(ws, endpoint, purpose, list(by_purpose[purpose].values()), n, cached[purpose], once=afresh)
        for purpose, n in n_questions.items()
    ]
    return Estimate(endpoint.model, terms.price, purposes)


def _of_purpose(
    ws: Workspace,
    endpoint: Endpoint,
    purpose: str,
    left: Sequence[Question],
    n_questions: int,
    n_cached: int,
    *,
    once: bool,
) -> PurposeEstimate:
    n, allowed = len(left), sum(question.max_tokens for question in left)
    same = store.usage(ws.database, endpoint.base_url, endpoint.model, purpose)
    of_all = store.usage(ws.database, endpoint.base_url, endpoint.model)
    counted = count_in(endpoint, left, same or of_all)
    known = next((usage for usage in (same, of_all) if usage is not None and usage.n_questions >= ENOUGH), None)
    again, more_in = (1.0, 1.0) if known is None or once else (known.calls_each, known.in_each)
    most = allowed * again
    likely = [question.likely_out for question in left if question.likely_out is not None]
    at_most = False
    if same is not None and known is same:
        out = min(n * same.out_each, most)
        low, high = out * SPREAD[0], min(out * SPREAD[1], most)
        how = f"tokens in {counted.how}, tokens out from {same.n_questions} earlier questions of this kind"
    elif n and len(likely) == n:
        out = min(sum(likely) * again, most)
        low, high = out * LEAST_LIKELY, most
        how = f"tokens in {counted.how}, tokens out as the texts shown are long; more for a model that thinks first"
    else:
        out, low, high, at_most = most, most * LEAST, most * OVER, True
        how = f"tokens in {counted.how}, tokens out at most all that is allowed; {ENOUGH} questions of this kind tell"
    return PurposeEstimate(
        purpose, n_questions, n_cached, n * again, counted.tokens_in * more_in, out, low, high, how, at_most
    )
