"""A part of a pool is read like any other texts, and what leaves it is its summary with the texts that may be examples.

A text that cannot be among the strongest of the whole pool any more need not leave. What is known of that so far, the
floor of each feature, lies in the exchange; a floor that is out of date lets more through and changes no result.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fac_core.feature_space.engines import Shard, Tick
from fac_core.feature_space.extraction import activation_tables
from fac_core.feature_space.extractor import Extractor, Health, TextActivations, load_extractor
from fac_core.feature_space.shards import sums
from fac_core.feature_space.space import SpaceSpec
from fac_core.feature_space.summary import Summary, key_of
from fac_core.samples.mapping import Mapping
from fac_core.samples.parsing import ParsedSample, QuarantinedRow, RowParser
from fac_core.samples.pool_files import Part, read_part
from fac_core.tasks import Task, load_task

if TYPE_CHECKING:
    import pyarrow as pa

    from fac_core.jobs.exchange import Exchange

FLOOR = "floor.parquet"
AT_ONCE = 2048
"""Texts read between two looks at what may leave."""
SHOWN_BAD = 20
_ID = "external_id"


class _Example(NamedTuple):
    """A text that may be an example."""

    sample: ParsedSample
    content_hash: str
    read: TextActivations


@dataclass(frozen=True)
class PoolReader:
    """Reads parts of a pool in one space."""

    space: dict[str, Any]
    """As from `SpaceSpec.to_json`."""
    task: str
    mapping: dict[str, Any]
    """Columns of the pool, as from `samples.mapping.Mapping`."""
    n_examples: int
    """Texts kept for each feature."""

    def read(self, name: str, given: pa.Table, exchange: Exchange, tick: Tick) -> Shard:
        """Tables `profile`, `top`, `text`, `activation` and `bad` of the part that is the row of `given`."""
        part = Part(**given.to_pylist()[0])
        extractor = load_extractor(SpaceSpec.from_json(self.space))
        extractor.health = Health()
        rows = _Rows(part, load_task(self.task), Mapping(**self.mapping))
        found = _Found(Summary(extractor.spec.d_sae, self.n_examples), _floor(exchange, extractor.spec.d_sae))
        good = rows.good()
        while samples := tuple(islice(good, AT_ONCE)):
            found.add(extractor, samples, tick)
        extra = {
            "health": sums(extractor.health),
            "truncated_texts": found.n_truncated,
            "n_samples": found.summary.n_samples,
            "n_bad": rows.n_bad,
            "n_rows": rows.n_rows,
        }
        return Shard({**found.tables(), "bad": _bad_table(rows.bad)}, extra)


class _Rows:
    """Samples of a part; a bad row is counted, and the first are kept."""

    def __init__(self, part: Part, task: Task, mapping: Mapping) -> None:
        # ids of other parts are not known here, so none is looked at twice
        self._id, self._parser = mapping.id, RowParser(task, replace(mapping, id=None))
        used = [*mapping.fields.values(), mapping.label, mapping.id, *mapping.meta]
        self._rows = read_part(part, list(dict.fromkeys(column for column in used if column)))
        self.n_bad = self.n_rows = 0
        self.bad: list[QuarantinedRow] = []

    def good(self) -> Iterator[ParsedSample]:
        for row in self._rows:
            self.n_rows += 1
            parsed = self._parser.parse(replace(row, number=self.n_rows))
            if isinstance(parsed, QuarantinedRow):
                self.n_bad += 1
                self.bad = [*self.bad, parsed][:SHOWN_BAD]
                continue
            own = row.values.get(self._id) if self._id else None
            yield replace(parsed, external_id=str(own)[:200]) if isinstance(own, str | int) else parsed


class _Found:
    """What was found so far in a part."""

    def __init__(self, summary: Summary, floor: NDArray[np.float32]) -> None:
        self.summary = summary
        self.n_truncated = 0
        self._floor = floor
        self._examples: dict[int, _Example] = {}

    def add(self, extractor: Extractor, samples: tuple[ParsedSample, ...], tick: Tick) -> None:
        contents = [sample.content for sample in samples]
        hashes = [content.digest for content in contents]
        keys = [key_of(name) for name in hashes]
        read: dict[int, TextActivations] = {}
        before = self.summary.n_samples
        for number, (index, found) in enumerate(extractor.read(contents)):
            tick(before + number)
            read[index] = found
        self.n_truncated += sum(found.n_truncated > 0 for found in read.values())
        order = range(len(samples))
        self.summary.add_texts(keys, [read[i].features for i in order], [read[i].values for i in order])
        for i in order:
            self._examples.setdefault(keys[i], _Example(samples[i], hashes[i], read[i]))
        self._let_go()

    def _let_go(self) -> None:
        """Forget texts that are among no feature's strongest, here or in the pool as far as it is known."""
        top = self.summary.top
        self._top = top.at(top.value >= self._floor[top.feature])
        kept = set(self._top.key.tolist())
        self._examples = {key: example for key, example in self._examples.items() if key in kept}

    def tables(self) -> dict[str, pa.Table]:
        import pyarrow as pa

        self._let_go()
        feature, at = self.summary.counts.nonzero()
        examples = list(self._examples.values())
        read = activation_tables((place, example.read) for place, example in enumerate(examples))
        samples = [example.sample for example in examples]
        return {
            "profile": pa.table(
                {
                    "feature_id": feature.astype(np.int32),
                    "bin": at.astype(np.int16),
                    "n": self.summary.counts[feature, at],
                }
            ),
            "top": pa.table({"feature_id": self._top.feature, "value": self._top.value, "key": self._top.key}),
            "text": pa.table(
                {
                    "content_hash": pa.array([example.content_hash for example in examples], pa.string()),
                    "text": pa.array([sample.content.text for sample in samples], pa.string()),
                    "turns": pa.array([sample.content.stored_turns for sample in samples], pa.string()),
                    "row_number": pa.array([sample.row_number for sample in samples], pa.int64()),
                    _ID: pa.array([sample.external_id for sample in samples], pa.string()),
                    "label": pa.array([sample.label for sample in samples], pa.string()),
                    "fields": pa.array([_json(sample.fields) for sample in samples], pa.string()),
                    "meta": pa.array([_json(sample.meta) for sample in samples], pa.string()),
                    **{name: read["content_read"][name] for name in ("n_tokens", "n_truncated", "l0")},
                }
            ),
            # content_id is the place in `text`
            "activation": read["activation"],
        }


def put_floor(exchange: Exchange, summary: Summary) -> None:
    """Tell the readers what is known of the pool so far."""
    import pyarrow as pa

    exchange.put(FLOOR, pa.table({"value": summary.floor}))


def _floor(exchange: Exchange, d_sae: int) -> NDArray[np.float32]:
    known = exchange.get(FLOOR)
    if known is None:
        return np.full(d_sae, -np.inf, np.float32)
    return np.asarray(known["value"].to_numpy(), np.float32)


def _json(values: dict[str, str]) -> str:
    return json.dumps(values, ensure_ascii=False)


def _bad_table(bad: list[QuarantinedRow]) -> pa.Table:
    import pyarrow as pa

    return pa.table(
        {
            "row_number": pa.array([row.row_number for row in bad], pa.int64()),
            **{name: pa.array([getattr(row, name) for row in bad], pa.string()) for name in ("field", "reason", "raw")},
        }
    )
