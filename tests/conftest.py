"""Small data whose right answers are known by heart; how tests are shared out; and what becomes of skipped ones."""

import os
from collections import Counter
from collections.abc import Iterator

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy and PyTorch come in: threads of two workers would fight

import numpy as np
import pytest
from scipy.sparse import csr_array
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

N_USERS, N_ITEMS = 300, 40  # at least 256 users: as many as a codebook has codes
NO_GPU = "no GPU here"
"""The one reason for which a test may be skipped in CI."""


@pytest.fixture(scope="session")
def checkerboard() -> csr_array:
    """(300, 40): even users like even items, odd users odd ones; each has not seen about a third of theirs."""
    generator = np.random.default_rng(0)
    same_colour = np.add.outer(np.arange(N_USERS), np.arange(N_ITEMS)) % 2 == 0
    seen = generator.random((N_USERS, N_ITEMS)) < 0.65
    return csr_array((same_colour & seen).astype(np.float32))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling:
    """A worker takes whole files; those that share the clone of the project are one piece, so that it is made once."""
    scheduler = LoadFileScheduling(config, log)
    scope_of = scheduler._split_scope
    shared = tuple(
        f"tests/pipeline/test_{name}.py" for name in ("pipeline", "dvc_yaml", "artefacts", "packages", "users")
    )
    scheduler._split_scope = lambda nodeid: "clone" if nodeid.startswith(shared) else scope_of(nodeid)
    return scheduler


def skips_by_reason(reporter: pytest.TerminalReporter) -> Counter[str]:
    return Counter(report.longrepr[2].removeprefix("Skipped: ") for report in reporter.stats.get("skipped", []))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a test that is skipped for anything but a GPU has failed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter and set(skips_by_reason(reporter)) - {NO_GPU}:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(wrapper=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """Count the skipped tests by reason, last."""
    yield
    for reason, count in skips_by_reason(terminalreporter).items():
        mark = "" if reason == NO_GPU else "; install what they need: CI counts them as failed"
        terminalreporter.write_line(f"{count} skipped: {reason}{mark}", yellow=True)
