"""The store's schema is the sum of the ordered migrations below; a landed migration is never edited, only followed.

Identities: a *sample* is one row a curator brought (or one accepted synthetic sample); its *content* is the text that
is read, shared by all samples with the same `content_hash`; activations belong to (space, content), so no text is read
twice. `seen` tables record what is known to be complete, so an absent row can be told from an unread one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fac_core.content import form_hash

if TYPE_CHECKING:
    import duckdb

_AT_ONCE = 10_000


def apply(cursor: duckdb.DuckDBPyConnection, migration: str | Callable[[duckdb.DuckDBPyConnection], None]) -> None:
    """Take one step: SQL, or what SQL alone cannot say."""
    if isinstance(migration, str):
        cursor.execute(migration)
    else:
        migration(cursor)


def _add_forms(cursor: duckdb.DuckDBPyConnection) -> None:
    """Near copies share the hash of their normal form; SQL folds case otherwise than we do."""
    import pyarrow as pa

    cursor.execute("CREATE TEMP TABLE form (content_id BIGINT, form_hash VARCHAR)")
    last = -1
    while rows := cursor.execute(
        "SELECT content_id, text FROM content WHERE content_id > ? ORDER BY content_id LIMIT ?", [last, _AT_ONCE]
    ).fetchall():
        last = rows[-1][0]
        forms = {"content_id": [row[0] for row in rows], "form_hash": [form_hash(row[1]) for row in rows]}
        cursor.register("incoming_form", pa.table(forms))
        cursor.execute("INSERT INTO form SELECT content_id, form_hash FROM incoming_form")
        cursor.unregister("incoming_form")
    # at once: an update goes through all that was updated before it
    cursor.execute("ALTER TABLE content ADD COLUMN form_hash VARCHAR")
    cursor.execute("UPDATE content SET form_hash = f.form_hash FROM form f WHERE content.content_id = f.content_id")
    cursor.execute("DROP TABLE form")


MIGRATIONS: list[str | Callable[[duckdb.DuckDBPyConnection], None]] = [
    # 1: the first schema
    """
    CREATE TABLE meta (key VARCHAR PRIMARY KEY, value VARCHAR NOT NULL);

    CREATE TABLE dataset (
        dataset_id VARCHAR PRIMARY KEY, name VARCHAR NOT NULL,
        role VARCHAR NOT NULL CHECK (role IN ('seed', 'anchor', 'pool', 'holdout', 'synthetic')),
        source VARCHAR NOT NULL, sha256 VARCHAR NOT NULL, mapping JSON NOT NULL, n_rows INTEGER NOT NULL,
        n_quarantined INTEGER NOT NULL, n_exact_duplicates INTEGER NOT NULL, n_near_duplicates INTEGER NOT NULL,
        created_at TIMESTAMP NOT NULL, deleted_at TIMESTAMP);

    CREATE TABLE content (content_id BIGINT PRIMARY KEY, content_hash VARCHAR NOT NULL UNIQUE, text VARCHAR NOT NULL);
    CREATE SEQUENCE content_seq; CREATE SEQUENCE sample_seq; CREATE SEQUENCE event_seq;

    -- contrast_id: the same item answered the other way (rejected, non-matching), for relevance only
    CREATE TABLE sample (
        sample_id BIGINT PRIMARY KEY, dataset_id VARCHAR NOT NULL, row_number INTEGER NOT NULL, external_id VARCHAR,
        content_id BIGINT NOT NULL, contrast_id BIGINT, label VARCHAR, fields JSON NOT NULL, meta JSON NOT NULL);

    CREATE TABLE quarantine (
        dataset_id VARCHAR NOT NULL, row_number INTEGER NOT NULL, field VARCHAR, reason VARCHAR NOT NULL,
        raw VARCHAR NOT NULL);

    CREATE TABLE space (
        space_id VARCHAR PRIMARY KEY, name VARCHAR NOT NULL, spec JSON NOT NULL, card JSON NOT NULL,
        d_sae INTEGER NOT NULL, default_delta DOUBLE NOT NULL, created_at TIMESTAMP NOT NULL);

    -- one row per content that was read, with or without active features
    CREATE TABLE content_read (
        space_id VARCHAR NOT NULL, content_id BIGINT NOT NULL, n_tokens INTEGER NOT NULL, n_truncated INTEGER NOT NULL,
        l0 DOUBLE NOT NULL, PRIMARY KEY (space_id, content_id));
    -- activation = maximum over content tokens of the text, value > 0; token_pos indexes the content tokens and
    -- [char_start, char_end) is that token's place in the content's text
    CREATE TABLE activation (
        space_id VARCHAR NOT NULL, content_id BIGINT NOT NULL, feature_id INTEGER NOT NULL, value FLOAT NOT NULL,
        token_pos INTEGER NOT NULL, char_start INTEGER NOT NULL, char_end INTEGER NOT NULL);
    -- the same rows ordered by feature, value descending; rebuilt when ingestion of a job is complete
    CREATE TABLE activation_by_feature (
        space_id VARCHAR NOT NULL, feature_id INTEGER NOT NULL, value FLOAT NOT NULL, content_id BIGINT NOT NULL,
        token_pos INTEGER NOT NULL, char_start INTEGER NOT NULL, char_end INTEGER NOT NULL);
    -- histogram of the maximum: bin b counts samples with value in (b*0.25, (b+1)*0.25], the last bin is open; additive
    CREATE TABLE profile (
        space_id VARCHAR NOT NULL, dataset_id VARCHAR NOT NULL, feature_id INTEGER NOT NULL, bin SMALLINT NOT NULL,
        n INTEGER NOT NULL);
    CREATE TABLE profile_total (
        space_id VARCHAR NOT NULL, dataset_id VARCHAR NOT NULL, n_samples INTEGER NOT NULL, n_unread INTEGER NOT NULL,
        data_version BIGINT NOT NULL, PRIMARY KEY (space_id, dataset_id));

    -- facts about a feature of a space that need the weights: computed once by a job, shipped for the embedded space
    CREATE TABLE feature_static (
        space_id VARCHAR NOT NULL, feature_id INTEGER NOT NULL, pca_x FLOAT, pca_y FLOAT, umap_x FLOAT, umap_y FLOAT,
        is_template BOOLEAN NOT NULL, PRIMARY KEY (space_id, feature_id));
    CREATE TABLE feature_neighbour (
        space_id VARCHAR NOT NULL, feature_id INTEGER NOT NULL, rank SMALLINT NOT NULL, other_id INTEGER NOT NULL,
        cosine FLOAT NOT NULL);
    CREATE TABLE feature_token (
        space_id VARCHAR NOT NULL, feature_id INTEGER NOT NULL, rank SMALLINT NOT NULL, token VARCHAR NOT NULL,
        logit FLOAT NOT NULL);

    -- names of features: append-only, the newest row by event_id counts; method 'keywords',
    -- 'theme' (feature_id is a theme's id) or 'human'
    CREATE TABLE explanation (
        event_id BIGINT PRIMARY KEY, space_id VARCHAR NOT NULL, feature_id INTEGER NOT NULL, method VARCHAR NOT NULL,
        author VARCHAR NOT NULL, text VARCHAR NOT NULL, created_at TIMESTAMP NOT NULL);

    CREATE TABLE relevance (
        space_id VARCHAR NOT NULL, feature_id INTEGER NOT NULL, method VARCHAR NOT NULL, effect DOUBLE NOT NULL,
        lift DOUBLE, p_value DOUBLE NOT NULL, q_value DOUBLE NOT NULL, n_active INTEGER NOT NULL,
        relevant BOOLEAN NOT NULL, direction VARCHAR NOT NULL, data_version BIGINT NOT NULL);
    CREATE TABLE relevance_overrule (
        event_id BIGINT PRIMARY KEY, space_id VARCHAR NOT NULL, feature_id INTEGER NOT NULL, relevant BOOLEAN,
        author VARCHAR NOT NULL, created_at TIMESTAMP NOT NULL);

    -- joined_by 'firing', 'decoder' or 'both' for near-copies, 'theme' for the coarser sets
    CREATE TABLE family (
        space_id VARCHAR NOT NULL, feature_id INTEGER NOT NULL, family_id INTEGER NOT NULL, joined_by VARCHAR NOT NULL);

    CREATE TABLE worklist (
        space_id VARCHAR NOT NULL, feature_id INTEGER NOT NULL, added_from VARCHAR NOT NULL,
        added_at TIMESTAMP NOT NULL, PRIMARY KEY (space_id, feature_id));

    CREATE TABLE job (
        job_id VARCHAR PRIMARY KEY, kind VARCHAR NOT NULL, title VARCHAR NOT NULL, state VARCHAR NOT NULL,
        done DOUBLE NOT NULL, total DOUBLE NOT NULL, message VARCHAR NOT NULL, spec JSON NOT NULL,
        result JSON, created_at TIMESTAMP NOT NULL, started_at TIMESTAMP, ended_at TIMESTAMP);
    CREATE TABLE ingested_shard (
        job_id VARCHAR NOT NULL, shard VARCHAR NOT NULL, n_rows BIGINT NOT NULL, ingested_at TIMESTAMP NOT NULL,
        PRIMARY KEY (job_id, shard));

    CREATE TABLE synthesis_run (
        run_id VARCHAR PRIMARY KEY, space_id VARCHAR NOT NULL, delta DOUBLE NOT NULL, generator VARCHAR NOT NULL,
        settings JSON NOT NULL, targets INTEGER[] NOT NULL, created_at TIMESTAMP NOT NULL);
    -- a candidate carries its target from birth; outcome: hit, no_activation, refusal, cut_off, unparsable, duplicate
    CREATE TABLE candidate (
        candidate_id VARCHAR PRIMARY KEY, run_id VARCHAR NOT NULL, target_feature INTEGER NOT NULL,
        step SMALLINT NOT NULL, attempt INTEGER NOT NULL, origin VARCHAR NOT NULL, text VARCHAR NOT NULL,
        fields JSON NOT NULL, label VARCHAR, content_id BIGINT, outcome VARCHAR NOT NULL, target_value DOUBLE,
        control_hit BOOLEAN, assigned_feature INTEGER, rank INTEGER, prompt VARCHAR NOT NULL, generation JSON NOT NULL,
        nearest_sample_id BIGINT, nearest_similarity DOUBLE, created_at TIMESTAMP NOT NULL);
    -- decisions are events; (candidate, reviewer, revision) makes a replay harmless
    CREATE TABLE decision (
        event_id BIGINT NOT NULL, candidate_id VARCHAR NOT NULL, reviewer VARCHAR NOT NULL, revision INTEGER NOT NULL,
        action VARCHAR NOT NULL CHECK (action IN ('approve', 'reject', 'edit', 'skip', 'undo')),
        reason VARCHAR, note VARCHAR, text VARCHAR, content_id BIGINT, target_value DOUBLE,
        created_at TIMESTAMP NOT NULL, PRIMARY KEY (candidate_id, reviewer, revision));
    CREATE TABLE export (
        export_id VARCHAR PRIMARY KEY, folder VARCHAR NOT NULL, manifest JSON NOT NULL, created_at TIMESTAMP NOT NULL);
    """,
    # 2: a description is known by what it was made from; the data version changes far more often than that
    """
    CREATE TABLE description (
        space_id VARCHAR PRIMARY KEY, fingerprint VARCHAR NOT NULL, delta DOUBLE NOT NULL, made_at TIMESTAMP NOT NULL);
    ALTER TABLE relevance DROP COLUMN data_version;
    """,
    # 3: an approval can say the label; an edit keeps its fields one by one (older edits have the task's item as text)
    """
    ALTER TABLE decision ADD COLUMN label VARCHAR;
    ALTER TABLE decision ADD COLUMN fields JSON;
    """,
    # 4: who says which part of a content; NULL where the whole text is one user turn
    """
    ALTER TABLE content ADD COLUMN turns VARCHAR;
    """,
    # 5: a pool too large for rows keeps counts and top examples; its samples in `sample` are those examples only
    """
    CREATE TABLE profile_only (dataset_id VARCHAR PRIMARY KEY);
    -- as `profile`, from the reading itself; complete for a space that has a row in held_total
    CREATE TABLE held_profile (
        space_id VARCHAR NOT NULL, dataset_id VARCHAR NOT NULL, feature_id INTEGER NOT NULL, bin SMALLINT NOT NULL,
        n INTEGER NOT NULL);
    CREATE TABLE held_total (
        space_id VARCHAR NOT NULL, dataset_id VARCHAR NOT NULL, n_samples INTEGER NOT NULL,
        PRIMARY KEY (space_id, dataset_id));
    """,
    # 6: what an explanation is worth, what a judge says of relevance, what a person keeps, what calls cost
    """
    -- NULL for keywords and people; version is the prompt's, verdict the verifier's: yes, probably, maybe, no
    ALTER TABLE explanation ADD COLUMN model VARCHAR;
    ALTER TABLE explanation ADD COLUMN version VARCHAR;
    ALTER TABLE explanation ADD COLUMN verdict VARCHAR;
    ALTER TABLE explanation ADD COLUMN detail JSON;
    -- protocol: embedding, intruder, detection, fuzzing; value is an AUROC, an accuracy or a balanced accuracy;
    -- explanation_id is 0 where the score is the feature's and asks no explanation
    CREATE TABLE explanation_score (
        score_id BIGINT PRIMARY KEY, explanation_id BIGINT NOT NULL, space_id VARCHAR NOT NULL,
        feature_id INTEGER NOT NULL, protocol VARCHAR NOT NULL, judge VARCHAR NOT NULL, version VARCHAR NOT NULL,
        n_firing INTEGER NOT NULL, n_silent INTEGER NOT NULL, right_firing DOUBLE NOT NULL,
        right_silent DOUBLE NOT NULL, n_unanswered INTEGER NOT NULL, value DOUBLE, low DOUBLE, high DOUBLE,
        created_at TIMESTAMP NOT NULL);
    -- the documents a score is of; said is NULL where the judge did not answer
    CREATE TABLE score_item (
        score_id BIGINT NOT NULL, content_id BIGINT NOT NULL, fires BOOLEAN NOT NULL, said BOOLEAN, likeness DOUBLE);
    -- how far the peaks of a feature, and what stands before them, are one token: share of the commonest, and entropy
    CREATE TABLE feature_token_purity (
        space_id VARCHAR NOT NULL, feature_id INTEGER NOT NULL, n INTEGER NOT NULL, token VARCHAR NOT NULL,
        share DOUBLE NOT NULL, entropy DOUBLE NOT NULL, before VARCHAR NOT NULL, before_share DOUBLE NOT NULL,
        before_entropy DOUBLE NOT NULL);

    -- what a judge says against the task's rubric: yes, probably, maybe, no; explanation_id NULL: from texts alone
    CREATE TABLE relevance_judgement (
        event_id BIGINT PRIMARY KEY, space_id VARCHAR NOT NULL, feature_id INTEGER NOT NULL, rating VARCHAR NOT NULL,
        reason VARCHAR NOT NULL, rubric_version VARCHAR NOT NULL, prompt_version VARCHAR NOT NULL,
        model VARCHAR NOT NULL, explanation_id BIGINT, created_at TIMESTAMP NOT NULL);
    -- how the test fares on held-out documents; belongs to the description
    CREATE TABLE relevance_check (space_id VARCHAR PRIMARY KEY, found JSON NOT NULL);

    -- lists, tags and notes are events: the newest of (feature, kind, value) says whether it is there
    CREATE TABLE feature_mark (
        event_id BIGINT PRIMARY KEY, space_id VARCHAR NOT NULL, feature_id INTEGER NOT NULL,
        kind VARCHAR NOT NULL CHECK (kind IN ('list', 'tag', 'note')), value VARCHAR NOT NULL, present BOOLEAN NOT NULL,
        author VARCHAR NOT NULL, created_at TIMESTAMP NOT NULL);

    -- unit vectors of a text encoder; subject is 'explanation' or 'content', and id its event_id or content_id
    CREATE TABLE text_vector (
        subject VARCHAR NOT NULL, id BIGINT NOT NULL, encoder VARCHAR NOT NULL, vector FLOAT[] NOT NULL);

    -- every attempt at an endpoint as its job's journal tells it; price is NULL where it is not known, and assumed says
    -- that the endpoint did not tell what it billed, so that the most it can be stands here; again is a question that
    -- was put once more
    CREATE TABLE llm_call (
        attempt_id VARCHAR PRIMARY KEY, job_id VARCHAR NOT NULL, request_hash VARCHAR NOT NULL,
        purpose VARCHAR NOT NULL, base_url VARCHAR NOT NULL, model VARCHAR NOT NULL, again BOOLEAN NOT NULL,
        outcome VARCHAR NOT NULL, bytes_in BIGINT NOT NULL, tokens_in BIGINT NOT NULL, tokens_out BIGINT NOT NULL,
        price DOUBLE, assumed BOOLEAN NOT NULL, seconds DOUBLE NOT NULL, created_at TIMESTAMP NOT NULL);
    -- up to where a job's journal of calls has been read, in bytes
    CREATE TABLE llm_journal (job_id VARCHAR PRIMARY KEY, place BIGINT NOT NULL);
    """,
    # 7: form_hash is that of `content.normal_form`; it says on which side of the split a text is
    _add_forms,
    # 8: features are sorted by decoder direction too; what a row of many features is called explains none of them
    """
    -- id of the decoder cluster (its most central feature) and the cosine to the middle of it; NULL: not computed
    ALTER TABLE feature_static ADD COLUMN cluster INTEGER;
    ALTER TABLE feature_static ADD COLUMN cluster_cosine FLOAT;
    -- kind is 'theme' or 'cluster'
    CREATE TABLE row_name (
        space_id VARCHAR NOT NULL, kind VARCHAR NOT NULL, row_id INTEGER NOT NULL, name VARCHAR NOT NULL);
    INSERT INTO row_name SELECT space_id, 'theme', feature_id, arg_max(text, event_id) FROM explanation
        WHERE method = 'theme' GROUP BY space_id, feature_id;
    DELETE FROM explanation WHERE method = 'theme';
    """,
]
