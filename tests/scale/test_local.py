"""What is done here needs no Ray, and who wants Ray without having it is told."""

import subprocess
import sys
from pathlib import Path

import pytest

from stages.config.params import ScaleSettings
from stages.run.errors import UserError
from stages.scale.engine import LOCAL
from tests.pipeline.imports import ROOT
from tests.scale.users import check_corrupt_part, encode, written

RAY = ScaleSettings(engine="ray", parts=1)
IMPORTS = """
import sys
from importlib import import_module
from pathlib import Path

for module in sys.argv[1].split():
    import_module(module)
from tests.scale.users import encode

print(encode(Path(sys.argv[2]), Path(sys.argv[3])), "ray" in sys.modules)
"""


def test_neither_a_stage_nor_a_command_nor_an_encoding_here_imports_ray(tmp_path: Path) -> None:
    files = [*(ROOT / "stages").glob("*.py"), *(ROOT / "stages/commands").glob("*.py")]
    modules = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files if file.stem != "__init__"]
    assert len(modules) > 20
    histories = written(tmp_path / "histories", 3)
    ended = subprocess.run(
        [sys.executable, "-c", IMPORTS, " ".join(modules), str(histories), str(tmp_path / "codes")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.stdout == "Counter({'written': 3}) False\n", ended.stderr


def test_ray_that_is_not_installed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(
        UserError, match=r"^scale.engine in params.yaml is ray, which is not installed; install .*scale"
    ):
        encode(written(tmp_path / "histories", 1), tmp_path / "codes", RAY)
    assert not list((tmp_path / "codes").iterdir())


def test_of_many_parts_the_one_that_is_corrupt_is_named_and_the_others_are_kept(tmp_path: Path) -> None:
    check_corrupt_part(tmp_path, 20, LOCAL)
