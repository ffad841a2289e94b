"""A key lands on the card that was drawn: every callback carries the candidate and the revision the person saw.

A second press of the same key on the same card is the same event; the store keeps it once.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import streamlit as st

from fac_core.errors import ModelError
from fac_core.features.probe import heat as token_heat
from fac_core.review.decisions import REASONS, Decision, decide, undo
from fac_core.review.queue import Counts, ReviewCard, next_item
from fac_core.workspace import Workspace
from pages.ui import differences, heat, services, theme
from pages.ui.services import Here

REASON_WORDS = {
    "off_topic": "off topic",
    "unnatural": "unnatural",
    "wrong_label": "wrong label",
    "unsafe_detail": "unsafe detail",
    "near_copy": "near copy",
    "bad_format": "bad format",
    "other": "other",
}
_DONE = {"approve": "Approved", "reject": "Rejected", "skip": "Skipped", "edit": "Edited and read again"}


# --- acts ---


def act(
    here: Here,
    card: ReviewCard,
    action: str,
    reason: str | None = None,
    fields: dict[str, str] | None = None,
    label: str | None = None,
) -> None:
    """Record a decision about the card that was shown, and go on to the next."""
    decision = services.guarded(decide)(
        here.ws,
        card.candidate_id,
        here.reviewer,
        action,
        revision=card.revision,
        reason=reason,
        fields=fields,
        label=label,
    )
    if decision is None:
        return
    _leave_modes()
    if action == "edit":
        services.go("sample", card.candidate_id)
    else:
        following = next_item(here.ws, here.space_id, here.reviewer, after=card.candidate_id)
        services.go("sample", following.candidate_id if following else None)
    _said(decision)


def take_back(here: Here, event_id: int | None) -> None:
    """Undo the reviewer's last decision (the one the button was drawn for) and show its card."""
    decision = services.guarded(undo)(here.ws, here.reviewer, event_id)
    st.session_state["_acts"] = [] if decision is None else [act for act in _acts() if act != event_id]
    if decision is not None:
        _leave_modes()
        services.go("sample", decision.candidate_id)
        _said(decision)


def _acts() -> list[int]:
    """Events of this session that were not taken back, oldest first."""
    return list(st.session_state.get("_acts", []))


def _said(decision: Decision) -> None:
    if decision.action != "undo" and not decision.replayed:
        st.session_state["_acts"] = [*_acts(), decision.event_id]
    words = "Taken back" if decision.action == "undo" else _DONE[decision.action]
    st.session_state["_last_act"] = f"{words}: candidate {decision.candidate_id[-12:]}"


def _leave_modes() -> None:
    for mode in ("_rejecting", "_editing", "_labelling"):
        st.session_state.pop(mode, None)


def _enter(mode: str, card: ReviewCard) -> None:
    _leave_modes()
    st.session_state[mode] = (card.candidate_id, card.revision)


def in_mode(mode: str, card: ReviewCard) -> bool:
    """Whether the person is choosing a reason or a label, or editing, for this very card."""
    return bool(st.session_state.get(mode) == (card.candidate_id, card.revision))


# --- the card ---


def actions(here: Here, card: ReviewCard) -> None:
    """One key a decision."""
    mark = f"{card.candidate_id}_{card.revision}"
    if in_mode("_editing", card):
        return
    if in_mode("_rejecting", card):
        whys = {f"why_{reason}": (REASON_WORDS[reason], ("reject", reason)) for reason in REASONS}
        _ask(here, card, "Why?", whys, "why_back")
        return
    if in_mode("_labelling", card):
        labels = {
            f"as_{number}": (f"Approve as {word}", ("approve", None, None, word))
            for number, word in enumerate(card.label_words)
        }
        _ask(here, card, "Which label?", labels, "as_back")
        return
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.button(
            "Approve",
            key=f"approve_{mark}",
            shortcut="A",
            type="primary",
            icon=":material/check:",
            on_click=_enter if card.label_words and not card.label else act,
            args=("_labelling", card) if card.label_words and not card.label else (here, card, "approve"),
            disabled=not card.verified,
            help=None if card.verified else "Its feature does not fire in this text; edit or reject it.",
        )
        st.button(
            "Reject",
            key=f"reject_{mark}",
            shortcut="X",
            icon=":material/close:",
            on_click=_enter,
            args=("_rejecting", card),
        )
        st.button(
            "Edit", key=f"edit_{mark}", shortcut="E", icon=":material/edit:", on_click=_enter, args=("_editing", card)
        )
        st.button(
            "Skip",
            key=f"skip_{mark}",
            shortcut="S",
            icon=":material/skip_next:",
            on_click=act,
            args=(here, card, "skip"),
        )
        if card.label_words and card.label:
            st.button(
                "Other label",
                key=f"label_{mark}",
                shortcut="L",
                type="tertiary",
                icon=":material/label:",
                on_click=_enter,
                args=("_labelling", card),
                disabled=not card.verified,
                help="Approve it with a label of your choice.",
            )
        undo_button(here, mark)
        if here.veiled:
            seen = card.candidate_id in st.session_state.get("_lifted", set())
            st.button(
                "Veil" if seen else "Lift the veil",
                key=f"veil_{mark}",
                shortcut="V",
                type="tertiary",
                icon=":material/visibility_off:" if seen else ":material/visibility:",
                on_click=_turn_veil,
                args=(card,),
                help="For this sample. For the whole project: Settings.",
            )


def _ask(
    here: Here, card: ReviewCard, question: str, answers: Mapping[str, tuple[str, tuple[object, ...]]], back: str
) -> None:
    """A question with a digit for each answer: {key: (words, what `act` is told)}."""
    mark = f"{card.candidate_id}_{card.revision}"
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.text(question, width="content")
        for number, (key, (words, told)) in enumerate(answers.items(), start=1):
            st.button(words, key=f"{key}_{mark}", shortcut=str(number), on_click=act, args=(here, card, *told))
        st.button("Back", key=f"{back}_{mark}", shortcut="Escape", type="tertiary", on_click=_leave_modes)


def undo_button(here: Here, mark: str) -> None:
    """Take back the last decision."""
    st.button(
        "Undo",
        key=f"undo_{mark}",
        shortcut="U",
        type="tertiary",
        icon=":material/undo:",
        on_click=take_back,
        args=(here, next(reversed(_acts()), None)),
        help="Takes back your last decision and shows its sample again.",
    )


def _turn_veil(card: ReviewCard) -> None:
    lifted = st.session_state.setdefault("_lifted", set())
    lifted.symmetric_difference_update({card.candidate_id})


def veiled(here: Here, card: ReviewCard) -> bool:
    """Whether this card's text is veiled."""
    return here.veiled and card.candidate_id not in st.session_state.get("_lifted", set())


def hero(here: Here, card: ReviewCard) -> None:
    """The sample, with the heat of its feature; the peak at once, every token as soon as it has been read."""
    slot = st.empty()
    head = [heat.Piece(f"label {card.label}" if card.label else "no label yet")] if card.label_words else []
    head.append(heat.Piece("from the pool" if card.candidate.made.origin == "pool" else "written"))
    if card.state != "pending":
        head.append(heat.Piece(card.state, kind="strong"))
    peak = [(span.start, span.end, span.value) for span in card.spans[:1]]
    draw = partial(heat.sample_text, card.text, veiled=veiled(here, card), look="big", head=head)
    with slot:
        draw(peak, key=f"hero_peak_{card.candidate_id}_{card.revision}")
    if card.candidate.content_id is None:
        return
    try:
        marks = services.cached(_heat, here, here.space_id, card.target_feature, card.candidate.content_id)
    except ModelError:
        return  # the model is not at hand: the stored peak stays
    top = max((value for *_, value in marks), default=0.0)
    if top > 0:
        with slot:
            draw(marks, key=f"hero_{card.candidate_id}_{card.revision}")


def _heat(ws: Workspace, space_id: str, feature_id: int, content_id: int) -> list[tuple[int, int, float]]:
    return [(mark.start, mark.end, mark.value) for mark in token_heat(ws, space_id, feature_id, content_id)]


def target(card: ReviewCard) -> None:
    """What it was made for, and how surely it does it."""
    heat.words(
        heat.Piece(card.target_name or "no name yet", kind="strong"),
        heat.Piece(f"   feature {card.target_feature}", kind="quiet small"),
        key="target_name",
    )
    rank = "" if card.percentile is None else f" · stronger than {card.percentile:.0%} of the anchor texts it fires in"
    heat.words(
        heat.Piece("fires ", kind="small"),
        heat.Piece(f"{card.value:.2f}", kind="strong small"),
        heat.Piece(f" · {card.margin:+.2f} over δ = {card.delta:g}{rank}", kind="small"),
        key="target_value",
    )


def edit_form(here: Here, card: ReviewCard) -> None:
    """Change the text, a box for each field; it is read again before it can be approved."""
    mark = f"{card.candidate_id}_{card.revision}"
    keys = {field.name: f"text_{field.name}_{mark}" for field in here.task.fields}
    for field in here.task.fields:
        label = field.name.capitalize() if len(keys) > 1 else "Edited text"
        known = card.fields.get(field.name, "")
        if field.choice_of:
            st.text_input(label, known, key=keys[field.name], help=field.description)
        else:
            height = 160 if len(keys) == 1 else 110
            st.text_area(label, known, key=keys[field.name], height=height, help=field.description)
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Save and read again",
            key=f"save_{mark}",
            type="primary",
            shortcut="Ctrl+Enter",
            on_click=_save,
            args=(here, card, keys),
        )
        st.button("Cancel", key=f"cancel_edit_{mark}", shortcut="Escape", type="tertiary", on_click=_leave_modes)


def _save(here: Here, card: ReviewCard, keys: dict[str, str]) -> None:
    with st.spinner("Reading the new text …"):
        act(here, card, "edit", fields={name: str(st.session_state[key]) for name, key in keys.items()})


def closes(card: ReviewCard) -> None:
    """Features that hang on this sample, and FAC either way."""
    verb = "It alone covers" if card.state == "approved" else "Newly covers"
    look = theme.state("covered")
    if card.newly_covers:
        pieces = [
            heat.Piece(f"{verb} {theme.plural(len(card.newly_covers), 'feature')} of the anchor\n", kind="small strong")
        ]
        for feature, name in card.newly_covers[:12]:
            pieces += [heat.Piece(f"{look.mark} ", colour=look.colour), heat.Piece(name or "no name yet", kind="small")]
            pieces.append(heat.Piece(f"  {feature}\n", kind="quiet small"))
        if len(card.newly_covers) > 12:
            pieces.append(heat.Piece(f"and {len(card.newly_covers) - 12} more", kind="quiet small"))
    else:
        pieces = [
            heat.Piece("All the features it activates are covered already; it adds a second witness.", kind="small")
        ]
    heat.words(*pieces, key="closes")


def consequences(card: ReviewCard) -> None:
    """FAC if it is approved, and if it is rejected."""
    one, two, three = st.columns(3, gap="small")
    one.metric("FAC now", f"{card.fac_now:.4f}", help=theme.TERMS["fac"])
    for slot, word, value in ((two, "if approved", card.fac_if_approved), (three, "if rejected", card.fac_if_rejected)):
        change = value - card.fac_now
        slot.metric(f"FAC {word}", f"{value:.4f}", delta=f"{change:+.4f}" if change else None)


def neighbours(here: Here, card: ReviewCard) -> None:
    """The nearest texts, the words they share with the sample standing out."""
    shown = []
    for near, what in ((card.nearest_seed, "nearest seed sample"), (card.nearest_accepted, "nearest accepted sample")):
        if near is not None:
            head = [
                heat.Piece(what),
                heat.Piece(f"likeness {near.similarity:.2f}", title="cosine of word weights, 1 is equal"),
            ]
            shown.append(heat.Shown(differences.beside(near.text[:1200], card.text), head=head))
    if shown:
        heat.samples(shown, veiled=veiled(here, card), key="neighbours")
        st.caption("Words shared with the sample stand out.")


def progress(counts: Counts) -> None:
    """How far the queue is."""
    total = counts.pending + counts.approved + counts.rejected + counts.skipped
    done = counts.approved + counts.rejected
    st.progress(done / total if total else 0.0)
    said = f"{counts.pending} left · {counts.approved} approved · {counts.rejected} rejected · {counts.skipped} skipped"
    last = st.session_state.get("_last_act")
    heat.words(
        heat.Piece(said, kind="small"), heat.Piece(f"     {last}" if last else "", kind="quiet small"), key="queue"
    )
