"""Reading a shard of texts is a function of its table: whoever reads it, wherever and how often, gets the same rows.

Table in: (content_id, text, turns). Tables out: `content_read` and `activation`. The extra carries the sums from which
the health card follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fac_core.feature_space.calibration import calibrate
from fac_core.feature_space.engines import Shard, Tick
from fac_core.feature_space.extraction import activation_tables, contents_of
from fac_core.feature_space.extractor import Extractor, Health, load_extractor
from fac_core.feature_space.space import SpaceSpec
from fac_core.feature_space.suspects import suspects

if TYPE_CHECKING:
    import pyarrow as pa

    from fac_core.jobs.exchange import Exchange

FIRST = "texts-000000000"
"""The shard on which the SAE is checked."""


def text_shard(begin: int) -> str:
    """Name of the shard whose texts begin at a place of the job's input."""
    return f"texts-{begin:09d}"


def read_shard(extractor: Extractor, texts: pa.Table, declared: dict[str, Any] | None, tick: Tick) -> Shard:
    """Read a shard; with `declared` (FVU and L0 by the card) the SAE is checked on its texts too."""
    ids, contents = texts["content_id"].to_pylist(), contents_of(texts)
    extractor.health = Health()
    read = []
    for number, item in enumerate(extractor.read(contents)):
        tick(number)
        read.append(item)
    read.sort(key=lambda item: item[0])
    tables = activation_tables((ids[index], found) for index, found in read)
    truncated = sum(found.n_truncated > 0 for _, found in read)
    extra: dict[str, Any] = {"health": sums(extractor.health), "truncated_texts": truncated}
    if declared is not None:
        tick(len(ids), "Checking the SAE")
        extra["suspects"] = [each._asdict() for each in suspects(extractor, contents, declared)]
        if (calibration := calibrate(extractor, contents)) is not None:
            extra["calibration"] = calibration._asdict()
    return Shard(tables, extra)


@dataclass(frozen=True)
class TextReader:
    """Reads shards of texts in one space."""

    space: dict[str, Any]
    """As from `SpaceSpec.to_json`."""
    declared: dict[str, Any] | None
    """What the card of the SAE says; None where the job was not told."""

    def read(self, name: str, given: pa.Table, exchange: Exchange, tick: Tick) -> Shard:
        """The shard of a task."""
        extractor = load_extractor(SpaceSpec.from_json(self.space))
        return read_shard(extractor, given, self.declared if name == FIRST else None, tick)


def sums(health: Health) -> dict[str, Any]:
    """A reading's sums as JSON values."""
    return {
        "n_tokens": health.n_tokens,
        "n_active": health.n_active,
        "sq_error": health.sq_error,
        "sum_sq": health.sum_sq,
        "sum_x": health.sum_x.tolist(),
    }
