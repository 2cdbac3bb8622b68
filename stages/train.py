"""Train a model on the train users, once per seed; a killed training resumes from its last checkpoint.

Vectors from elsewhere are copied, in the order of the split.

python -m stages.train --dataset ml-latest-small --model dae-200
"""

import csv
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from stages.assembly.sessions import fingerprint_of, float_phases, new_training, run_to_the_end, threads_of
from stages.config.checks import check_split
from stages.config.model import VectorsSettings
from stages.config.reader import read_params
from stages.interfaces.split import load_split
from stages.interfaces.weights import save_state
from stages.models.autoencoder import AutoEncoder
from stages.models.device import THREADS, choose_device, describe, side_by_side
from stages.models.vectors import Vectors
from stages.run import paths
from stages.run.command_line import Dataset, Model, run
from stages.run.facts import recorded
from stages.run.files import whole_folder
from stages.run.memory import keep_freed_memory
from stages.training.loop import Training
from stages.training.processes import are_started, start, together
from stages.vectors.reading import open_vectors, vectors_of


def train(dataset: Dataset, model: Model) -> None:
    """Train a model once per seed, and write the weights of each seed's best epoch on the validation users.

    Seeds whose steps are too small for all threads are trained side by side.
    """
    params = read_params()
    entry = params.model(model)
    if isinstance(entry, VectorsSettings):
        _copy(dataset, model, entry, params.seeds_of(model)[0])
        return
    if params.training.processes > 1 and not are_started():
        start(params.training.processes, _train, dataset, model)
    else:
        _train(dataset, model)


def _train(dataset: str, model: str) -> None:
    """Train in this process, alone or with others."""
    params = read_params()
    recipe = params.recipe(dataset, model)
    split = load_split(paths.split(dataset))
    check_split(params, *split.train.shape, [model])
    device = choose_device(params.device)
    keep_freed_memory()
    with together(split.train.shape[1], device) as shard, ExitStack() as results:
        alone, is_first = shard.n_processes == 1, shard.rank == 0
        threads = threads_of(params, dataset, recipe, split, device) if alone else THREADS

        def train_seed(seed: int) -> tuple[Training[AutoEncoder], dict[str, Any]]:
            training = new_training(params, dataset, recipe, seed, split, device, shard)
            fingerprint = fingerprint_of(params, dataset, recipe, seed, device)
            checkpoint = paths.checkpoint(dataset, model, seed)
            phases = float_phases(params, dataset, recipe, seed, device)
            return training, run_to_the_end(
                training, checkpoint, fingerprint, params.training.checkpoint_epochs, phases
            )

        facts, curve_folder, folder = {}, Path(), Path()
        if is_first:
            facts = results.enter_context(recorded(dataset, f"train-{model}"))
            curve_folder = results.enter_context(whole_folder(paths.curves(dataset, model)))
            folder = results.enter_context(whole_folder(paths.models(dataset, model)))
        finished = side_by_side(train_seed, params.seeds, threads)
        for training, _ in finished:
            weights = shard.whole(training.best_weights)
            if is_first:
                save_state(weights, folder / f"{training.seed}.pt")
        if not is_first:
            return
        facts |= describe(device, threads) | {"precision": params.precision(dataset)}
        facts["trainings"] = {model: [facts_of_training for _, facts_of_training in finished]}
        if device.type == "cuda":
            facts["gpu_peak_memory_bytes"] = torch.cuda.max_memory_allocated(device)
        curves = [{"seed": training.seed, **asdict(epoch)} for training, _ in finished for epoch in training.curve]
        with (curve_folder / "curve.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, curves[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(curves)


def _copy(dataset: str, model: str, entry: VectorsSettings, seed: int) -> None:
    """Write the vectors of all users and items of the split."""
    split = load_split(paths.split(dataset))
    with (
        recorded(dataset, f"train-{model}"),
        whole_folder(paths.curves(dataset, model)),  # there is none, but a stage has to write what DVC expects
        whole_folder(paths.models(dataset, model)) as folder,
    ):
        network = Vectors(*(
            torch.from_numpy(vectors_of(open_vectors(Path(path)), ids, entry.width))
            for path, ids in ((entry.users, split.users), (entry.items, split.items))
        ))  # fmt: skip
        save_state(network.state_dict(), folder / f"{seed}.pt")
        print(
            f"{len(network.users):,} users and {len(network.items):,} items have vectors of {entry.width:,} dimensions"
        )


if __name__ == "__main__":
    run(train)
