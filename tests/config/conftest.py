"""The committed params.yaml, changed in one place."""

from collections.abc import Callable
from pathlib import Path

import pytest

from stages.config.params import Params
from stages.config.reader import read_params
from stages.run.errors import UserError


@pytest.fixture(scope="session")
def committed() -> str:
    """The text of the committed file."""
    return (Path(__file__).parents[2] / "params.yaml").read_text()


@pytest.fixture(scope="session")
def params(committed: str, tmp_path_factory: pytest.TempPathFactory) -> Params:
    """What the committed file says."""
    path = tmp_path_factory.mktemp("committed") / "params.yaml"
    path.write_text(committed)
    return read_params(path)


@pytest.fixture
def read(tmp_path: Path) -> Callable[[str], Params]:
    """Read a file with this text."""

    def read(text: str) -> Params:
        path = tmp_path / "params.yaml"
        path.write_text(text)
        return read_params(path)

    return read


@pytest.fixture
def complaint(read: Callable[[str], Params]) -> Callable[[str], str]:
    """The complaint about a file with this text."""

    def complaint(text: str) -> str:
        with pytest.raises(UserError) as raised:
            read(text)
        return str(raised.value)

    return complaint


@pytest.fixture
def complaint_after(committed: str, complaint: Callable[[str], str]) -> Callable[[str, str], str]:
    """The complaint about the committed file with the first such text replaced."""

    def complaint_after(old: str, new: str) -> str:
        assert old in committed
        return complaint(committed.replace(old, new, 1))

    return complaint_after
