"""An owner to be killed: opens the project, goes on with its job, or starts one if there is none, until it is done."""

import json
import sys
import time
from pathlib import Path

from fac_core import workspace
from fac_core.jobs import owner, process
from fac_core.jobs.kinds import KINDS

KINDS["count"] = "tests.jobs.counting_kind"
process.WORKER_MODULE = "tests.jobs.worker_with_test_kinds"


def main(project: str, spec: str) -> None:
    ws = workspace.open_project(Path(project))
    print("open", flush=True)
    while True:
        known = owner.poll(ws)
        if not known:
            owner.start(ws, "count", "Count", json.loads(spec))
        elif known[0].state == "completed":
            return
        elif known[0].resumable:
            owner.resume(ws, known[0].job_id)
        time.sleep(0.02)


if __name__ == "__main__":
    main(*sys.argv[1:])
