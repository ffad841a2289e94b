"""The worker, knowing the kinds of the tests as well."""

import sys

from fac_core.jobs import worker
from fac_core.jobs.kinds import KINDS

KINDS["count"] = "tests.jobs.counting_kind"

if __name__ == "__main__":
    sys.exit(worker.main(sys.argv[1:]))
