"""What is said of a feature stands beside how it did on documents nobody explained it from, never without n.

Explanations and documents are words of others: they are drawn as literal text only.
"""

from __future__ import annotations

from collections import Counter

import streamlit as st

from fac_core.features import naming, trust
from fac_core.features.asked.documents import PER_BAND
from fac_core.features.explained import (
    EMBEDDING,
    FUZZING,
    WORDS,
    Explained,
    JudgedText,
    Overview,
    Score,
    Told,
    badge,
    judged_texts,
    overview,
    told_apart,
    too_few,
)
from fac_core.features.score_job import score_text, start_scoring
from pages.ui import heat, provenance, sample_row, services, theme
from pages.ui.services import Here

REQUIRED_WORDS = {trust.ANY: "any", trust.LOW: "scored", trust.MIDDLE: "middling", trust.HIGH: "high"}
CALLED_WORDS = {
    naming.BY_KEYWORDS: "keywords",
    naming.BY_MODEL: "a model's explanation",
    naming.BY_BEST: "whichever scores higher",
}
N_SHOWN, N_MORE = 4, 12
"""Documents of each kind at first, and how many more of each at a time."""
OPENED, MOST_OPENED = "documents", 9
"""Part of the address that names the scores whose documents are shown, and how many it names at most."""
_UNDECIDED = ("Answered both ways", "Not answered")
_HEADINGS = (
    ("Fires, and was not recognised", "Silent, and was taken to fire", *_UNDECIDED),
    ("Rightly marked, and was not recognised", "Wrongly marked, and was taken for right", *_UNDECIDED),
)
"""Of documents that were not judged right in detection and in fuzzing, by kind."""
_SIDES = (("Fires", "Silent"), ("Rightly marked", "Wrongly marked"))


def show(here: Here, feature_id: int) -> None:
    """Draw every explanation of a feature with its findings, scores and misjudged documents."""
    found = overview(here.ws, here.space_id, feature_id)
    facts(found, feature_id)
    for place, each in enumerate(found.explained):
        with st.container(border=True, gap="xsmall"):
            explanation(here, feature_id, found, each, key=f"said_{feature_id}_{place}")
    if not found.explained:
        st.caption("Nothing is said of this feature yet: no text that names are made from activates it.")
    provenance.how(
        here,
        "Explanations are made from two thirds of the documents and scored on the others, without near duplicates of "
        "those that names are made from (for a model that judges, of those its explainer saw). AUROC: how well likeness"
        " to the explanation tells pieces of documents in which the feature fires from pieces of as many in which it "
        "is silent, half of them hard. For the encoder, to fire is to be above δ, as coverage counts it, or "
        "among the feature's ten strongest. A model that judges (detection, fuzzing) is given "
        f"{PER_BAND} documents of each fifth of all activations above 0, however faint, since an explanation speaks "
        "for the whole range. 0.5 is chance. Intervals are 95 %: Newcombe's for AUROC, Wilson's for shares.",
        key=f"explanations_{feature_id}",
        cli=f"score {feature_id}",
        python=f"from fac_core.features.explained import overview\noverview(ws, space_id, {feature_id})",
    )


def facts(found: Overview, feature_id: int) -> None:
    """Badge, cohesion and purity in one line."""
    look = theme.TRUST[found.badge]
    runs = [
        heat.Piece(f"{look.mark} trust in the name: {look.word}", kind="strong", colour=look.colour, title=look.meaning)
    ]
    if found.cohesion is not None:
        title = (
            "Of groups of four documents it fires in and one it does not: how often the odd one is found. Chance: 20 %."
        )
        runs.append(heat.Piece(f"   intruder {_value(found.cohesion)}", kind=_dim(found.cohesion), title=title))
    if (peaks := found.purity) is not None:
        if peaks.is_single_token:
            title = f"{theme.percent(peaks.share)} of its peaks are this one token (n = {peaks.n})."
            runs.append(heat.Piece("   single-token feature", kind="strong", colour="#0072B2", title=title))
        runs += [
            heat.Piece(
                f"   peak {theme.percent(peaks.share)} ", title=f"entropy {peaks.entropy:.1f} bits, n = {peaks.n}"
            ),
            heat.Piece(peaks.token or "blank", kind="mono"),
            heat.Piece(f"   before it {theme.percent(peaks.before_share)} "),
            heat.Piece(peaks.before or "beginning of the text", kind="mono" if peaks.before else "quiet"),
        ]
    heat.words(*runs, key=f"explained_{feature_id}")


def explanation(here: Here, feature_id: int, found: Overview, each: Explained, key: str) -> None:
    """One explanation: what, by whom, how good, what is wrong with it."""
    said = each.explanation
    look = theme.TRUST[badge(each.scores)]
    by = [said.method, said.author, *([said.model] if said.model else []), f"{said.created_at:%d %b %Y %H:%M}"]
    heat.words(
        heat.Piece(f"{said.text or 'Could not tell'}\n", kind="strong" if each.in_force else ""),
        heat.Piece(" · ".join(by), kind="quiet small"),
        heat.Piece(f"   verdict {said.verdict}" if said.verdict else "", kind="small"),
        heat.Piece("   in force" if each.in_force else "", kind="small"),
        heat.Piece(f"   {look.label}", kind="small", colour=look.colour, title=look.meaning),
        key=key,
    )
    for finding in each.findings:
        heat.words(heat.Piece(f"⚠ {finding.sentence}", kind="small"), key=f"{key}_{finding.code}")
    for score in each.scores:
        heat.words(*_told(score, found.n_below(score)), key=f"{key}_score_{score.score_id}")
    for score in each.earlier:
        heat.words(
            *_told(score),
            heat.Piece("   of other documents than there are now: no badge rests on it", kind="quiet small"),
            key=f"{key}_score_{score.score_id}",
        )
    if not said.says_something:
        return
    with st.container(horizontal=True, gap="small"):
        if not each.scores:
            st.button(
                "Score it",
                icon=":material/speed:",
                key=f"{key}_now",
                on_click=score_now,
                args=(feature_id, said.explanation_id),
                help="On documents that no explanation is made from; a few seconds.",
            )
        for score in [*each.scores, *each.earlier]:
            if score.value is None:
                continue
            st.session_state[f"{key}_open_{score.score_id}"] = str(score.score_id) in opened()
            if st.toggle(
                f"Documents of {WORDS[score.protocol].split(',')[0]}",
                key=f"{key}_open_{score.score_id}",
                on_change=turn,
                args=(score.score_id,),
            ):
                documents(here, feature_id, score, key=f"{key}_items_{score.score_id}")


@services.guarded
def score_now(feature_id: int, explanation_id: int) -> None:
    """Score one explanation, with its documents."""
    here = services.here()
    score_text(here.ws, here.space_id, feature_id, explanation_id)


@services.guarded
def score_again(feature_id: int, explanation_id: int, before: int) -> None:
    """Score one explanation anew and show the documents of that in place of those `before`."""
    here = services.here()
    score_id = score_text(here.ws, here.space_id, feature_id, explanation_id)
    turn(before)
    turn(score_id)


def opened() -> list[str]:
    """Scores whose documents the address says are shown."""
    said = services.follow(OPENED, keep=False) or ""
    return [part for part in said.split(",")[-MOST_OPENED:] if part.isascii() and part.isdecimal()]


def turn(score_id: int) -> None:
    """Show the documents of a score, or no longer."""
    before = opened()
    now = [part for part in before if part != str(score_id)] + [str(score_id)] * (str(score_id) not in before)
    services.go(OPENED, ",".join(now[-MOST_OPENED:]) or None)


def documents(here: Here, feature_id: int, score: Score, key: str) -> None:
    """Some documents of each kind that was not judged right, more on demand, and how many of each there are."""
    found = judged_texts(here.ws, here.space_id, score)
    if not found:
        st.button(
            "Score again and keep the documents",
            key=f"{key}_again",
            on_click=score_again,
            args=(feature_id, score.explanation_id, score.score_id),
            help="Of scores made for all features at once only the figures are kept.",
        )
        return
    told = told_apart(found)
    st.caption(counted(told, score.protocol))
    n_shown = st.session_state.get(f"{key}_n", N_SHOWN)
    cards = []
    groups = told[: len(_HEADINGS[0])]
    for heading, group in zip(_HEADINGS[score.protocol == FUZZING], groups, strict=True):
        for place, item in enumerate(group[:n_shown]):
            head = f"{heading} ({theme.count(len(group))})" if not place else ""
            row = item.sample
            link = (f"row {row.row_number} →", str(row.sample_id)) if row else None
            cards.append(heat.Shown(_marked(item), head=_about(item, score.protocol), heading=head, link=link))
    heat.samples(cards, veiled=here.veiled, key=key, on_link=sample_row.open_row)
    if left := sum(max(0, len(group) - n_shown) for group in groups):
        st.button(f"Show more ({theme.count(left)} left)", key=f"{key}_more", on_click=show_more, args=(f"{key}_n",))


def counted(told: Told, protocol: str) -> str:
    """How many of either side were judged right, as the score counts them."""
    parts = []
    for side, fires in zip(_SIDES[protocol == FUZZING], (True, False), strict=True):
        right, n = told.figures(fires)
        parts.append(f"{side}: {right:g} of {n} right.")
    if told.both:
        parts.append(f"{theme.plural(len(told.both), 'document')} answered both ways, each counted half right.")
    if told.unanswered:
        parts.append(f"{theme.plural(len(told.unanswered), 'document')} not answered, counted on neither side.")
    return " ".join(parts)


def show_more(key: str) -> None:
    """More of each kind."""
    st.session_state[key] = st.session_state.get(key, N_SHOWN) + N_MORE


def standing(here: Here) -> None:
    """How many names have which badge, and a button that scores what has no score yet."""
    scored = trust.newest(here.ws, here.space_id)
    counted = Counter(services.cached(trust.badges, here, here.space_id, beside=(scored,)).values())
    columns = st.columns([1, 1, 1, 2], gap="medium", vertical_alignment="bottom")
    for column, badge_name in zip(columns, trust.BADGES, strict=False):
        if badge_name != trust.UNSCORED:
            look = theme.TRUST[badge_name]
            column.metric(f"{look.label} trust", theme.count(counted[badge_name]), help=look.meaning)
    columns[-1].button(
        "Score the explanations",
        icon=":material/speed:",
        key="score_all",
        on_click=start_all,
        help="Every explanation that was not scored on the data as they are; no language model is asked. It also "
        "begins by itself when features were described or explained.",
    )
    calling(here)


def calling(here: Here) -> None:
    """What features are called by, and what that does to the scores of names."""
    choice = st.segmented_control(
        "Features are named by",
        list(naming.CHOICES),
        default=naming.called_by(here.ws),
        format_func=CALLED_WORDS.__getitem__,
        key="called_by",
        required=True,
        on_change=keep_calling,
        help="A name that a person gave always stands. A model's explanation counts where it says something and no "
        "verifier refuted it. Tables, search, prompts, exports and badges follow.",
    )
    if choice == naming.BY_BEST:
        st.caption(
            "Of the two the one with the higher AUROC on held-out documents is taken, keywords where they are equal or "
            "one is not scored. Chosen so, the winner's score is a little too good: of two equally good texts the "
            "luckier one wins."
        )


@services.guarded
def keep_calling() -> None:
    """Take over the choice."""
    naming.call_by(services.here().ws, st.session_state["called_by"])


@services.guarded
def start_all() -> None:
    """Start the job."""
    here = services.here()
    if start_scoring(here.ws, here.space_id) is None:
        services.say("Every explanation is scored already, or no held-out document was read.", "note")


def least(here: Here) -> None:
    """How far a name must be trusted before texts are written for its feature."""
    st.segmented_control(
        "Least trust in a feature's name before synthesis",
        list(trust.REQUIRABLE),
        default=trust.least_trust(here.ws),
        format_func=REQUIRED_WORDS.__getitem__,
        key="least_trust",
        required=True,
        on_change=keep_least,
        help="Features whose name is trusted less are left out of a run, and the run says which.",
    )


@services.guarded
def keep_least() -> None:
    """Take over the choice."""
    trust.require_trust(services.here().ws, st.session_state["least_trust"])


def _told(score: Score, n_below: int = 0) -> list[heat.Piece]:
    n = f"n = {score.n_firing} + {score.n_silent}" if score.n_silent else f"n = {score.n_firing}"
    if score.value is None:
        return [heat.Piece(f"{WORDS[score.protocol]}: no held-out document to judge by", kind="quiet small")]
    open_ = f", {theme.plural(score.n_unanswered, 'document')} unanswered" if score.n_unanswered else ""
    return [
        heat.Piece(f"{WORDS[score.protocol]} {_value(score)}", kind=f"small {_dim(score)}"),
        heat.Piece(f"   {n}{open_}{', too few to say much' if too_few(score) else ''}", kind="quiet small"),
        heat.Piece(f"   at least {n_below} of those that fire at or below δ" if n_below else "", kind="quiet small"),
        heat.Piece(f"   by {score.judge}, {score.created_at:%d %b %Y %H:%M}", kind="quiet small", title=score.version),
    ]


def _value(score: Score) -> str:
    bounds = "" if score.low is None or score.high is None else f" ({theme.interval(score.low, score.high)})"
    return f"{score.value:.2f}{bounds}" if score.value is not None else "–"


def _dim(score: Score) -> str:
    return "quiet" if too_few(score) else ""


def _marked(item: JudgedText) -> list[heat.Piece]:
    return heat.text_pieces(item.text, [(item.char_start, item.char_end, item.value)] if item.value else [])


def _about(item: JudgedText, protocol: str) -> list[heat.Piece]:
    """What is true of a document and what was said of it."""
    if protocol == FUZZING:
        so, words = "rightly marked" if item.fires else "wrongly marked", ("said to be wrong", "said to be right")
    else:
        so, words = f"fires, {item.value:.1f}" if item.fires else "silent", ("said to be silent", "said to fire")
    said = words[item.said] if item.said is not None else "not answered" if item.likeness is None else "said to be both"
    likeness = [heat.Piece(f"likeness {item.likeness:.2f}")] if protocol == EMBEDDING else []
    where = [part for part in (item.sample.role, item.sample.label) if part] if item.sample else []
    return [heat.Piece(so), heat.Piece(said), *likeness, *[heat.Piece(part) for part in where]]
