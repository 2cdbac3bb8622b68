"""A package is read as it was written, or not at all."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings

from stages.guided.guide import Guide
from stages.run.digests import write_digests
from stages.run.errors import UserError
from stages.serving.export.convert import layers_of, quantizer_of
from stages.serving.package.files import load_exported, load_package, write_package
from stages.serving.package.manifest import Manifest, parse_manifest
from stages.serving.package.package import Items, Layer, Quantizer
from tests.damage import DAMAGES, Damage
from tests.serving.package.made_up import COUNTS, IDS, ORIGIN, TITLES, TRAINED, items, write

FILES = [
    "codebooks.safetensors",
    "decoder.safetensors",
    "encode.onnx",
    "encoder.safetensors",
    "items.json",
    "manifest.json",
    "score.onnx",
]
RESIDUAL = "VAE, prefix by a beam"
GUIDE = Guide("mixture", 8, 0.25, 0.5)


def complaint(folder: Path) -> str:
    with pytest.raises(UserError) as raised:
        load_package(folder)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def resealed(folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """The package with a manifest that is changed and has its own digest all the same; and those of all files."""
    path = folder / "manifest.json"
    written = json.loads(path.read_bytes())
    for name, listed in written["files"].items():
        content = (folder / name).read_bytes()
        listed |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    change(written)
    path.write_text(Manifest.model_validate_json(json.dumps(written)).sealed().model_dump_json())
    return folder


@pytest.mark.parametrize("name", TRAINED)
def test_what_is_written_is_read(name: str, tmp_path: Path) -> None:
    (model, codec), folder = TRAINED[name], write(tmp_path / "package", name)
    assert sorted(path.name for path in folder.iterdir()) == FILES
    package = load_package(folder)
    assert package.row == ORIGIN.row
    assert package.encoder is not None
    for layer, expected in zip(package.encoder, layers_of(model), strict=True):
        np.testing.assert_array_equal(layer.weight, expected.weight)
        np.testing.assert_array_equal(layer.bias, expected.bias)
        assert layer.tanh == expected.tanh
    assert same(vars(package.quantizer), vars(quantizer_of(codec)))
    assert same(vars(package.items), vars(items(model)))
    assert package.items.ids.dtype == np.int64


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def test_ids_may_be_text_and_titles_may_be_missing(tmp_path: Path) -> None:
    model, codec = TRAINED["one layer, product"]
    named = replace(items(model), ids=np.array([f"ä{number}" for number in IDS], dtype=object), titles=None)
    write_package(tmp_path, ORIGIN, layers_of(model), quantizer_of(codec), named)
    read = load_package(tmp_path).items
    assert (read.ids.tolist(), read.titles) == (named.ids.tolist(), None)


def test_the_same_package_has_the_same_bytes_and_its_digest_is_that_of_its_manifest(tmp_path: Path) -> None:
    one, other = write(tmp_path / "one"), write(tmp_path / "other")
    assert [(one / name).read_bytes() for name in FILES] == [(other / name).read_bytes() for name in FILES]
    assert load_package(one).digest == hashlib.sha256((one / "manifest.json").read_bytes()).hexdigest()


def test_the_manifest_says_what_the_package_is(tmp_path: Path) -> None:
    manifest = parse_manifest((write(tmp_path / "package", RESIDUAL) / "manifest.json").read_bytes(), tmp_path)
    assert manifest.ndcg == ORIGIN.ndcg
    said = manifest.quantizer, manifest.bytes_per_user, manifest.beam, manifest.n_items, manifest.width
    assert said == ("residual", 3, 4, 50, 12)
    assert manifest.activations == ["tanh", "linear", "tanh"]
    weights = manifest.files["decoder.safetensors"].tensors
    assert weights is not None
    assert weights["weight"].shape == [50, 12]


def test_a_guide_is_read_as_it_is_written_and_no_graph_searches_by_it(tmp_path: Path) -> None:
    folder = write(tmp_path / "package", RESIDUAL, guide=GUIDE)
    assert sorted(path.name for path in folder.iterdir()) == [name for name in FILES if name != "encode.onnx"]
    assert load_package(folder).quantizer.guide == GUIDE


def test_only_what_is_chosen_by_a_guide_needs_the_second_version_of_the_format(tmp_path: Path) -> None:
    nearest, guided = write(tmp_path / "nearest", RESIDUAL), write(tmp_path / "guided", RESIDUAL, guide=GUIDE)
    of_nearest, of_guided = (json.loads((folder / "manifest.json").read_bytes()) for folder in (nearest, guided))
    assert (of_nearest["version"], "guide" in of_nearest) == (1, False)
    said = {"by": "mixture", "candidates": 8, "share": 0.25, "pull": 0.5}
    assert (of_guided["version"], of_guided["guide"]) == (2, said)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('"candidates": 8', '"candidates": 0', "guide.candidates"),
        ('"share": 0.25', '"share": 1.5', "guide.share"),
        ('"pull": 0.5', '"pull": -1', "guide.pull"),
        ('"by": "mixture"', '"by": "nearest"', "guide.by"),
        ('"pull": 0.5', '"pull": 0.5, "beam": 3', "guide.beam"),
    ],
)
def test_a_guide_out_of_its_range_is_said(old: str, new: str, expected: str, tmp_path: Path) -> None:
    path = write(tmp_path / "package", guide=GUIDE) / "manifest.json"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    assert f"manifest.json does not hold what it should ({expected})" in complaint(path.parent)


def test_a_guide_without_an_encoder_is_not_written(tmp_path: Path) -> None:
    model, codec = TRAINED[RESIDUAL]
    with pytest.raises(ValueError, match="no encoder makes vectors of items"):
        write_package(tmp_path, ORIGIN, None, quantizer_of(codec, GUIDE), items(model))


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_missing_is_said(name: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "package")
    (folder / name).unlink()
    assert f"the package {folder} is damaged: {name} is missing; copy the whole folder again" in complaint(folder)


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    assert complaint(tmp_path / "no") == (
        f"there is no package {tmp_path / 'no'}; run the stage export first, or give the folder of one"
    )


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_cut_is_said(name: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "package")
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    assert f"{name} is cut" in complaint(folder)


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=DAMAGES)
def test_damage_of_any_file_is_said(name: str, damage: Damage, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = write(tmp_path_factory.mktemp("damage") / "package")
    (folder / name).write_bytes(damage.of((folder / name).read_bytes()))
    said = complaint(folder)
    assert name in said
    assert str(folder) in said


@pytest.mark.parametrize("name", [name for name in FILES if name != "manifest.json"])
def test_a_file_of_another_package_is_said(name: str, tmp_path: Path) -> None:
    folder, other = write(tmp_path / "one", "one layer, product"), write(tmp_path / "other", RESIDUAL)
    (other / "items.json").write_bytes((other / "items.json").read_bytes().replace(b"Film", b"Movie"))
    (folder / name).write_bytes((other / name).read_bytes())
    assert name in (said := complaint(folder))
    assert "changed one or another package's" in said or "is cut" in said


def test_the_manifest_of_another_package_is_said(tmp_path: Path) -> None:
    folder, other = write(tmp_path / "one"), write(tmp_path / "other", RESIDUAL)
    (folder / "manifest.json").write_bytes((other / "manifest.json").read_bytes())
    assert "is damaged" in complaint(folder)


def test_a_package_that_is_newer_than_this_reader_is_said_whatever_else_it_holds(tmp_path: Path) -> None:
    folder = write(tmp_path / "package")
    (folder / "manifest.json").write_text(json.dumps({"format": "pq-vae package", "version": 3, "hashes": []}))
    assert complaint(folder) == (
        f"{folder} is a package of version 3, and this reader knows versions up to 2; update this reader, or export "
        "the package again with it"
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("{}", "is no package: manifest.json does not say 'pq-vae package'"),
        ("[1]", "is no package: manifest.json does not say 'pq-vae package'"),
        ('{"format": "pq-vae package"}', "manifest.json does not hold what it should"),
        ("[" * 100_000, "manifest.json is cut or no JSON"),
        ("", "manifest.json is cut or no JSON"),
    ],
)
def test_a_folder_of_something_else_is_said(content: str, expected: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "package")
    (folder / "manifest.json").write_text(content)
    assert expected in complaint(folder)


def test_a_manifest_that_was_edited_is_said(tmp_path: Path) -> None:
    path = write(tmp_path / "package", RESIDUAL) / "manifest.json"
    path.write_text(path.read_text().replace('"beam": 4', '"beam": 5'))
    assert "manifest.json was changed after it was written" in complaint(path.parent)


def test_of_packages_in_the_pipeline_each_is_in_its_place(tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    packages.mkdir()
    one, other = write(packages / "one"), write(packages / "other", RESIDUAL)
    write_digests(packages, "packages")
    assert load_exported(one).digest == load_package(one).digest
    one.rename(packages / "aside")
    other.rename(one)
    load_package(one)
    with pytest.raises(UserError, match=r"one/manifest\.json is not as the stage export wrote it"):
        load_exported(one)
    with pytest.raises(UserError, match=r"there is no .*other/manifest\.json; run the stage export first"):
        load_exported(other)


def test_weights_that_are_not_finite_are_not_written(tmp_path: Path) -> None:
    model, codec = TRAINED["one layer, product"]
    broken = replace(items(model), bias=np.full(len(IDS), np.nan, np.float32))
    with pytest.raises(UserError, match=r"bias of dae-12-pq-4x3 has NaN or infinite values, .* train it anew"):
        write_package(tmp_path, ORIGIN, layers_of(model), quantizer_of(codec), broken)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["codebooks.safetensors", "decoder.safetensors", "encoder.safetensors"])
def test_weights_that_are_not_finite_are_not_read(name: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "package")
    tensors = safetensors.numpy.load_file(folder / name)
    last = list(tensors)[-1]
    tensors[last].flat[-1] = np.inf
    safetensors.numpy.save_file(tensors, folder / name)
    assert f"{last} in {name} holds NaN or infinite values" in complaint(resealed(folder, lambda _: None))


def listed(written: dict[str, Any], file: str) -> dict[str, Any]:
    return written["files"][file]["tensors"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda written: written["files"].pop("items.json"), "manifest.json lists codebooks"),
        (lambda written: written.update(activations=None), "manifest.json lists codebooks"),
        (lambda written: written.update(activations=["tanh"]), "the encoder makes vectors of 16 dimensions"),
        (lambda written: written.update(activations=["tanh"] * 4), "there is no tensor 3.weight"),
        (lambda written: written.update(quantizer="product"), "the decoder's weight is"),
        (lambda written: written.update(bytes_per_user=6), "6 bytes of a residual code of 5"),
        (lambda written: written.update(n_items=7), "counts other items or dimensions"),
        (lambda written: written.update(width=7), "counts other items or dimensions"),
        (lambda written: written.update(guide=vars(GUIDE), version=2), "manifest.json lists codebooks"),
        (lambda written: listed(written, "decoder.safetensors").pop("bias"), "holds other tensors"),
        (lambda written: listed(written, "decoder.safetensors")["bias"].update(shape=[5, 10]), "holds other tensors"),
    ],
)
def test_a_manifest_of_other_files_than_these_is_said(
    change: Callable[[dict[str, Any]], object], expected: str, tmp_path: Path
) -> None:
    assert expected in complaint(resealed(write(tmp_path / "package", RESIDUAL), change))


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        ("items.json", b"{}", "items.json does not hold what it should"),
        ("items.json", b'{"ids":[],"titles":null,"interactions":[]}', "items.json does not hold what it should"),
        ("items.json", b'{"ids":[1,"1"],"titles":null,"interactions":[1,2]}', "items.json does not hold what it"),
        ("items.json", b'{"ids":[1,1],"titles":null,"interactions":[1,2]}', "the decoder's weight is float32 (50, 12)"),
        ("decoder.safetensors", b"1234567890", "decoder.safetensors is no safetensors file"),
    ],
)
def test_a_file_of_something_else_with_its_digest_is_said(
    file: str, content: bytes, expected: str, tmp_path: Path
) -> None:
    folder = write(tmp_path / "package")
    (folder / file).write_bytes(content)
    assert expected in complaint(resealed(folder, lambda _: None))


def wrong_parts() -> list[tuple[str, list[Layer], Quantizer, Items]]:
    model, codec = TRAINED["three layers, rotated product"]
    layers, quantizer, catalogue = layers_of(model), quantizer_of(codec), items(model)
    twice = IDS.copy()
    twice[1] = twice[0]
    assert quantizer.into is not None
    return [
        ("an item is there twice", layers, quantizer, replace(catalogue, ids=twice)),
        ("49 titles of 50 items", layers, quantizer, replace(catalogue, titles=TITLES[1:])),
        ("49 interactions of 50 items", layers, quantizer, replace(catalogue, interactions=COUNTS[1:])),
        ("the decoder's bias is float64", layers, quantizer, replace(catalogue, bias=catalogue.bias.astype(float))),
        ("the weight of layer 0 is", layers[1:], quantizer, catalogue),
        ("there is a map into", layers, replace(quantizer, into=None), catalogue),
        ("into is float32", layers, replace(quantizer, into=quantizer.into[1:]), catalogue),
        ("codebooks has 2 axes, expected 3", layers, replace(quantizer, codebooks=quantizer.codebooks[0]), catalogue),
        ("codebooks is", layers, replace(quantizer, codebooks=quantizer.codebooks[:, :255]), catalogue),
        ("5 bytes of a product code of 6", layers, replace(quantizer, n_bytes=5), catalogue),
    ]


@pytest.mark.parametrize(("expected", "encoder", "quantizer", "catalogue"), wrong_parts())
def test_parts_that_do_not_fit_together_are_not_written(
    expected: str, encoder: list[Layer], quantizer: Quantizer, catalogue: Items, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=expected):
        write_package(tmp_path, ORIGIN, encoder, quantizer, catalogue)
    assert list(tmp_path.iterdir()) == []
