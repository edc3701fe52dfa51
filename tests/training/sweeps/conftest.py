"""One small sweep, run once for all tests that only read it."""

import pytest

from deepnrc.training.sweeps.expand import expand
from sweeping import make, sweep


@pytest.fixture(scope="session")
def swept(tmp_path_factory):
    out = tmp_path_factory.mktemp("sweep")
    members = expand(make, ["training.weight_decay=0,0.01"], seeds=2)
    seen = []
    executor, statuses = sweep(members, out, on_status=seen.append)
    return out, members, executor, statuses, seen
