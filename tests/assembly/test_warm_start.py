"""A training begins with the weights of an earlier run, where params.yaml says so."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from stages.assembly.warm_start import begin_from
from stages.config.model import DaeSettings
from stages.config.params import Recipe
from stages.interfaces.weights import save_state
from stages.models.autoencoder import AutoEncoder
from stages.models.build import build_model
from stages.run.errors import UserError
from tests.damage import sealed

EARLIER = np.array([10, 20, 30, 40])
NOW = np.array([5, 30, 10, 99])  # items 30 and 10 were there before, in another order


def settings(hidden: list[int]) -> DaeSettings:
    return DaeSettings(kind="dae", hidden=hidden, dropout=0.5, learning_rate=0.1, l2=0.0)


def model(seed: int, hidden: list[int], n_items: int = 4) -> AutoEncoder:
    network = build_model(settings(hidden), n_items)
    network.initialise(torch.Generator().manual_seed(seed))
    return network


def recipe(run: Path, hidden: list[int] | None = None) -> Recipe:
    return Recipe(settings(hidden or [3, 2]), 1, "dae", str(run))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """An earlier run with weights of seed 0."""
    for folder in ("models/dae", "split"):
        (tmp_path / folder).mkdir(parents=True)
    save_state(model(0, [3, 2]).state_dict(), tmp_path / "models/dae/0.pt")
    pq.write_table(pa.table({"item": EARLIER}), tmp_path / "split/items.parquet")
    sealed(tmp_path / "models/dae/0.pt")
    sealed(tmp_path / "split/items.parquet")
    return tmp_path


def test_rows_of_items_go_by_their_ids_and_new_items_keep_what_was_drawn(run: Path) -> None:
    network, before, drawn = model(1, [3, 2]), model(0, [3, 2]), model(1, [3, 2])
    begin_from(network, recipe(run), 0, NOW)
    for name in ("input_weight", "output.weight", "output.bias"):
        warm, earlier, cold = (net.state_dict()[name] for net in (network, before, drawn))
        assert torch.equal(warm[[1, 2]], earlier[[2, 0]]), name
        assert torch.equal(warm[[0, 3]], cold[[0, 3]]), name
    for name in ("input_bias", "layers.0.weight", "layers.0.bias"):
        assert torch.equal(network.state_dict()[name], before.state_dict()[name]), name


def test_without_it_nothing_changes() -> None:
    network = model(1, [3, 2])
    begin_from(network, Recipe(settings([3, 2]), 1, "dae"), 0, NOW)
    assert all(torch.equal(value, model(1, [3, 2]).state_dict()[name]) for name, value in network.state_dict().items())


def test_a_seed_that_the_earlier_run_lacks_is_said(run: Path) -> None:
    with pytest.raises(UserError, match=r"warm_start of dae .* there is no .*1\.pt; give a copy of data/<dataset>/"):
        begin_from(model(1, [3, 2]), recipe(run), 1, NOW)


def test_a_model_of_other_layers_is_said(run: Path) -> None:
    with pytest.raises(UserError, match=r"0\.pt belongs to a model of other layers"):
        begin_from(model(1, [3, 5]), recipe(run, [3, 5]), 0, NOW)


def test_a_run_with_none_of_the_items_is_said(run: Path) -> None:
    with pytest.raises(UserError, match=r"items\.parquet has none of the items of this split"):
        begin_from(model(1, [3, 2]), recipe(run), 0, NOW + 1000)
