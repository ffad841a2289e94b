"""A kind for tests: counts, shard by shard, and can be told to be slow, to fail or to be stubborn.

spec: n (shards), rows (rows a shard), sleep (seconds a shard), fail_at (shard number), fail (how), ignore_cancel,
hold_at (shard before which it waits to be cancelled, until `work/mended` is there).
"""

from __future__ import annotations

import errno
import time
from typing import Any

import pyarrow as pa

from fac_core.errors import InputError
from fac_core.jobs.folder import JobFolder


def run(job: JobFolder) -> dict[str, Any]:
    spec = job.spec
    committed = job.shards()
    for number in range(spec["n"]):
        job.progress(number, spec["n"], "Counting")
        name = f"part-{number:04d}"
        if name in committed:
            continue
        while number == spec.get("hold_at") and not (job.cancelled() or (job.work / "mended").exists()):
            time.sleep(0.01)
        if job.cancelled() and not spec.get("ignore_cancel"):
            if spec.get("fail") == "stop":
                raise InputError("Stopped on request.")
            return {}
        if number == spec.get("fail_at") and not (job.work / "mended").exists():
            _fail(spec["fail"])
        time.sleep(spec.get("sleep", 0))
        numbers = range(number * spec["rows"], (number + 1) * spec["rows"])
        job.commit_shard(name, {"counted": pa.table({"number": list(numbers)})}, {"number": number})
    job.progress(spec["n"], spec["n"])
    return {"sum": sum(shard["extra"]["number"] for shard in job.shards().values()), "nan": float("nan")}


def ingest(cursor: Any, job_id: str, spec: dict[str, Any], shard_name: str, tables: dict[str, pa.Table]) -> None:
    cursor.register("counted", tables["counted"])
    cursor.execute("INSERT INTO quarantine SELECT ?, number, NULL, ?, '' FROM counted", [job_id, shard_name])
    cursor.unregister("counted")
    if spec.get("fail") == "ingest":
        raise RuntimeError("a defect while storing")


def finalise(ws: Any, job_id: str, spec: dict[str, Any], result: dict[str, Any]) -> None:
    if spec.get("fail") == "finalise":
        raise InputError("Nothing can be made of this.")
    ws.set_setting(f"finalised.{job_id}", str(result["sum"]))


def stopped(ws: Any, job_id: str, spec: dict[str, Any]) -> None:
    ws.set_setting(f"stopped.{job_id}", str(int(ws.setting(f"stopped.{job_id}", "0")) + 1))


def _fail(how: str) -> None:
    if how == "person":
        raise InputError("The file is empty; choose another.")
    if how == "defect":
        raise RuntimeError("a defect while working")
    if how == "disk":
        raise OSError(errno.ENOSPC, "No space left on device")
    raise AssertionError(how)
