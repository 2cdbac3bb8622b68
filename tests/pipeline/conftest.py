"""The clone that all tests of the pipeline share."""

import pytest

from tests.pipeline.clone import Clone


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """On which every stage has run once."""
    clone = Clone(tmp_path_factory.mktemp("clone"))
    clone.first_run = clone.repro()
    clone.commit()
    return clone
