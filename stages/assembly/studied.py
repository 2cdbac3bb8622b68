"""What studies measure on the validation users, of trainings and of fits after them; neither is repeated."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
import torch

from stages.assembly import varied_fit
from stages.assembly.sessions import fingerprint_of, float_phases, new_training, run_to_the_end, threads_of
from stages.assembly.varied_fit import fit_varied
from stages.config.params import Params, Recipe
from stages.config.quantizer import ProductSettings
from stages.config.study import FitSettings
from stages.interfaces.codec import Codec
from stages.interfaces.split import Split
from stages.interfaces.weights import load_weights, save_state
from stages.models.autoencoder import AutoEncoder, in_variant
from stages.models.build import build_model
from stages.models.device import side_by_side
from stages.ranking.evaluation import ndcg_of_users
from stages.run import paths
from stages.run.digests import checked, damaged
from stages.run.files import whole_folder
from stages.run.text import one_line

RESULT, WEIGHTS = "result.npz", "weights.pt"  # of a training, in its folder; of a fit, the first alone
FACTS = ("seconds", "users_per_second")


class StudiedTraining(NamedTuple):
    """One seed of one variant."""

    fingerprint: str
    weights: Path
    ndcg: dict[str, np.ndarray]
    """Variant in which the model is stored, as text → NDCG@100, float64 (n_users with held-out interactions,)."""
    facts: dict[str, float]
    """Of the run: seconds and users_per_second."""


@dataclass(frozen=True)
class Bench:
    """Where the trainings and fits of a study are made and measured."""

    params: Params
    dataset: str
    split: Split
    device: torch.device

    @property
    def n_users(self) -> int:
        """Validation users with held-out interactions."""
        return len(self.split.validation.scored())

    def trainings(self, name: str, recipe: Recipe) -> list[StudiedTraining]:
        """Train each seed of a variant and measure it on the validation users, unless that is done.

        A model as it is goes on from the checkpoint of the stage train, which has finished it as a rule. Small models
        are trained side by side.

        Parameters
        ----------
        name : of the variant, for progress

        Raises
        ------
        UserError
            where the result is damaged, or as in `run_to_the_end`.
        """
        return side_by_side(partial(self._training, name, recipe), self.params.seeds, self._threads(recipe))

    def _training(self, name: str, recipe: Recipe, seed: int) -> StudiedTraining:
        params, split, variants = self.params, self.split, recipe.settings.variants
        fingerprint = fingerprint_of(params, self.dataset, recipe, seed, self.device)
        folder = paths.study_result(self.dataset, fingerprint)
        if not ((folder / WEIGHTS).exists() and (folder / RESULT).exists()):
            print(f"{one_line(name)}, seed {seed}", flush=True)
            training = new_training(params, self.dataset, recipe, seed, split, self.device)
            checkpoint = self._checkpoint_of_the_stage(recipe, seed, fingerprint) or folder.with_suffix(".checkpoint")
            phases = float_phases(params, self.dataset, recipe, seed, self.device)
            facts = run_to_the_end(training, checkpoint, fingerprint, params.training.checkpoint_epochs, phases)
            training.model.load_state_dict(training.best_weights)
            codec = training.model.codec()
            ndcg = {str(variant): self._ndcg(training.model, in_variant(codec, variant)) for variant in variants}
            with whole_folder(folder) as temporary:
                save_state(training.best_weights, temporary / WEIGHTS)
                _write(temporary, {name: np.asarray(facts[name]) for name in FACTS} | ndcg)
            folder.with_suffix(".checkpoint").unlink(missing_ok=True)
        names = [str(variant) for variant in variants]
        arrays = _read(folder, dict.fromkeys(FACTS, ()) | dict.fromkeys(names, (self.n_users,)))
        ndcg = {name: arrays[name] for name in names}
        return StudiedTraining(fingerprint, folder / WEIGHTS, ndcg, {name: float(arrays[name]) for name in FACTS})

    def fits(
        self, trainings: list[StudiedTraining], recipe: Recipe, fit: FitSettings, quantizer: ProductSettings
    ) -> np.ndarray:
        """Fit product codes after each training and measure them on the validation users, unless that is done.

        Parameters
        ----------
        trainings, recipe : as of `trainings`

        Returns
        -------
        NDCG@100, float64 (n_seeds, n_users with held-out interactions)

        Raises
        ------
        UserError
            where weights or result are damaged, or as in `fit_varied`.
        """

        def of_seed(seed: int) -> np.ndarray:
            return self._fit(trainings[self.params.seeds.index(seed)], recipe, seed, fit, quantizer)

        return np.stack(side_by_side(of_seed, self.params.seeds, self._threads(recipe)))

    def _fit(
        self, training: StudiedTraining, recipe: Recipe, seed: int, fit: FitSettings, quantizer: ProductSettings
    ) -> np.ndarray:
        decisive = json.dumps([training.fingerprint, fit.model_dump(), quantizer.model_dump()]).encode()
        code = Path(varied_fit.__file__).read_bytes()
        folder = paths.study_result(self.dataset, hashlib.sha256(decisive + code).hexdigest())
        if not (folder / RESULT).exists():
            empty = build_model(recipe.settings, self.split.train.shape[1])
            network = load_weights(empty, training.weights, "study").to(self.device)
            ndcg = self._ndcg(network, fit_varied(network, self.split.train, fit, quantizer, seed))
            with whole_folder(folder) as temporary:
                _write(temporary, {"ndcg": ndcg})
        return _read(folder, {"ndcg": (self.n_users,)})["ndcg"]

    def _threads(self, recipe: Recipe) -> int:
        return threads_of(self.params, self.dataset, recipe, self.split, self.device)

    def _checkpoint_of_the_stage(self, recipe: Recipe, seed: int, fingerprint: str) -> Path | None:
        """The checkpoint of the stage train, if it is of the same training."""
        path = paths.checkpoint(self.dataset, recipe.model, seed)
        with suppress(Exception):  # unpickling damaged bytes can raise anything; the stage says what is wrong
            if path.is_file() and torch.load(path, "cpu", mmap=True, weights_only=True)["fingerprint"] == fingerprint:
                return path
        return None

    def _ndcg(self, network: AutoEncoder, codec: Codec) -> np.ndarray:
        return ndcg_of_users(network, codec, self.split.validation, self.params.evaluation.batch_size)


def _write(folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
    np.savez(folder / RESULT, allow_pickle=False, **arrays)


def _read(folder: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """The arrays that `_write` wrote; UserError where they are damaged, or of other names or shapes."""
    path = folder / RESULT
    with checked(path, "study") as file:
        try:
            with np.load(file) as archive:
                arrays = dict(archive)
        except (OSError, ValueError, EOFError, BadZipFile) as error:
            raise damaged(path, "is no result of a training", "study") from error
    if {name: array.shape for name, array in arrays.items()} != shapes:
        raise damaged(path, "is of other users or variants", "study")
    if not all(array.dtype.kind in "iuf" and np.isfinite(array).all() for array in arrays.values()):
        raise damaged(path, "holds more than finite numbers", "study")
    return arrays
