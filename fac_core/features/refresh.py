"""Names, relevance and families follow what was read: they are made anew where they are of other data, and only there.

What a person said about features stays. Whoever changes the data calls one of these verbs afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fac_core.feature_space.engines import Engine
from fac_core.feature_space.extraction import n_unread, refresh_profiles, start_extraction
from fac_core.feature_space.spaces import spaces
from fac_core.features import describe_job, description

if TYPE_CHECKING:
    from fac_core.workspace import Workspace


def refresh(ws: Workspace, space_id: str, wait: bool = False, force: bool = False) -> str | None:
    """Describe the features of a space anew if what they were described from has changed, or in any case with `force`;
    in a job or, with `wait`, before returning.

    Returns the job's id, or None if it is done, nothing changed or nothing was read yet.

    Raises:
        InputError: the project does not know the space.
    """
    if not force and description.is_current(ws, space_id):
        return None
    if not wait:
        return description.start(ws, space_id)
    spec, inputs = description.prepared(ws, space_id)
    if inputs.anything:
        for name, tables in describe_job.shards(inputs, spec, set()):
            with ws.database.transaction() as cursor:
                describe_job.ingest(cursor, "", spec, name, tables)
        describe_job.finalise(ws, "", spec, {})
    return None


def bring_up_to_date(
    ws: Workspace,
    space_id: str,
    engine: Engine = Engine(),  # noqa: B008 - it cannot be changed
) -> str | None:
    """Read what is unread and describe the features, each as far as it is needed.

    Returns the id of the job that was started or is at it, or None if all is up to date.

    Raises:
        InputError: the project does not know the space, or the engine cannot work here.
    """
    return start_extraction(ws, space_id, engine=engine) or refresh(ws, space_id)


def follow_datasets(ws: Workspace) -> list[str]:
    """Let counts and descriptions follow a dataset that came, went or changed its role; returns the jobs' ids.

    A space with unread texts waits for their reading, which a person starts and which ends in a description.
    """
    jobs = []
    for space in spaces(ws):
        if n_unread(ws, space.space_id) or description.is_reading(ws, space.space_id):
            continue
        refresh_profiles(ws, space.space_id)
        if job_id := refresh(ws, space.space_id):
            jobs.append(job_id)
    return jobs
