"""What is installed as pq_vae is the checkout's stages under a name of its own, and needs no more than it says."""

import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from zipfile import ZipFile

import pytest

import stages
from tests.pipeline.imports import ROOT, files_of, import_closure, named_by

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
COMMANDS = [
    f"stages.commands.{name}"
    for name in ("compress", "encode_users", "forget_users", "recommend", "recommend_users", "store_users")
]
"""Run by whoever has installed the wheel."""
OPTIONAL = {"ray"}
"""Imported only where params.yaml asks for it."""
USE = """
import runpy
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

for extra in sys.argv[1].split():
    sys.modules[extra] = None  # an import of what is not installed with it would fail

import pq_vae
from pq_vae.serving.encoding.parts import read_codes
from pq_vae.serving.store.store import write_store

draws, out = np.random.default_rng(0), Path("out")
np.save("users.npy", draws.normal(size=(400, 8)))
np.save("items.npy", draws.normal(size=(50, 8)))
sys.argv = ["compress", "users.npy", "--bytes", "4", "--items", "items.npy", "--out", "out"]
try:
    runpy.run_module("pq_vae.commands.compress", run_name="__main__")
except SystemExit as end:
    assert not end.code, end
package = pq_vae.load_package(out / "package")
codes, digest = read_codes(out / "codes")
(out / "store").mkdir()
write_store(out / "store", *codes, digest)
scorer, why = pq_vae.choose(package)
layer = pq_vae.QuantizedEmbedding(**load_file(out / "embedding.safetensors"))
with pq_vae.open_store(out / "store", package.digest) as store:
    found, known = store.codes([7, 399])
    top = scorer.top(found, 10)
assert known.all()
expected = layer(torch.tensor([7, 399])).numpy() @ package.items.weight.T
assert (top.items == np.argsort(-expected)[:, :10]).all()
assert not [name for name in sys.modules if name.partition(".")[0] == "stages"]
print(pq_vae.__file__)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the unpacked wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("pq_vae-*.whl")
    with ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run(folder: Path, *command: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run([sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_wheel_holds_pq_vae_alone(installed: Path) -> None:
    (metadata,) = installed.glob("*.dist-info")
    assert {path.name for path in installed.iterdir()} == {"pq_vae", metadata.name}
    source = {path.relative_to(ROOT / "stages") for path in (ROOT / "stages").rglob("*") if path.is_file()}
    packed = {path.relative_to(installed / "pq_vae") for path in (installed / "pq_vae").rglob("*") if path.is_file()}
    assert packed == {path for path in source if "__pycache__" not in path.parts}


def test_nothing_in_it_imports_or_names_a_module_of_the_checkout(installed: Path) -> None:
    for file in (installed / "pq_vae").rglob("*.py"):
        assert not re.search(r"(from|import|-m) stages\b", file.read_text()), file


def test_it_works_without_the_checkout(installed: Path) -> None:
    extras = {re.split("[<>=]", line)[0] for line in PROJECT["optional-dependencies"]["pipeline"]}
    said = run(installed, "-c", USE, " ".join(extras))
    assert "from pq_vae import QuantizedEmbedding" in said
    assert said.splitlines()[-1] == str(installed / "pq_vae/__init__.py")


def test_to_import_it_imports_nothing_else(installed: Path) -> None:
    heavy = run(installed, "-c", "import sys, pq_vae; print(*{'torch', 'numpy', 'faiss'} & set(sys.modules))")
    assert not heavy.strip()


def test_a_public_name_that_does_not_exist_is_an_attribute_error() -> None:
    assert set(stages.PUBLIC) <= set(dir(stages))
    with pytest.raises(AttributeError, match="has no attribute 'Decoder'"):
        _ = stages.Decoder


@pytest.mark.parametrize("name", stages.PUBLIC)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(stages, name).__name__ == name


def test_its_dependencies_are_what_serving_imports() -> None:
    required = {re.split("[<>=]", line)[0] for line in PROJECT["dependencies"]}
    modules = [*(f"stages.serving.{module}" for module in stages.PUBLIC.values()), *COMMANDS]
    closure = {file for module in modules for file in import_closure(module)}
    assert closure > {file for module in modules for file in files_of(module)}
    imported = {name.partition(".")[0] for file in closure for name in named_by(file)}
    imported = imported - {"stages", "pydantic_core", *sys.stdlib_module_names} | {"tabulate"}  # by pydantic and pandas
    imported -= OPTIONAL
    packages = packages_distributions()
    assert {packages[name][0] for name in imported} == required
