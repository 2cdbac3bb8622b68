"""Train a model on the train users, once per seed; a killed training resumes from its last checkpoint.

python -m stages.train --dataset ml-latest-small --model dae-200
"""

import csv
from dataclasses import asdict
from typing import Any

import torch

from stages.assembly.sessions import fingerprint_of, new_training, run_to_the_end, threads_of
from stages.config.checks import check_split
from stages.config.reader import read_params
from stages.interfaces.split import load_split
from stages.interfaces.weights import save_state
from stages.models.autoencoder import AutoEncoder
from stages.models.device import choose_device, describe, side_by_side
from stages.run import paths
from stages.run.command_line import Dataset, Model, run
from stages.run.facts import recorded
from stages.run.files import whole_folder
from stages.run.memory import keep_freed_memory
from stages.training.loop import Training


def train(dataset: Dataset, model: Model) -> None:
    """Train a model once per seed, and write the weights of each seed's best epoch on the validation users.

    Seeds whose steps are too small for all threads are trained side by side.
    """
    params = read_params()
    recipe = params.recipe(dataset, model)
    split = load_split(paths.split(dataset))
    check_split(params, *split.train.shape, [model])
    device = choose_device(params.device)
    keep_freed_memory()
    threads = threads_of(params, dataset, recipe, split, device)

    def train_seed(seed: int) -> tuple[Training[AutoEncoder], dict[str, Any]]:
        training = new_training(params, dataset, recipe, seed, split, device)
        fingerprint = fingerprint_of(params, dataset, recipe, seed, device)
        checkpoint = paths.checkpoint(dataset, model, seed)
        return training, run_to_the_end(training, checkpoint, fingerprint, params.training.checkpoint_epochs)

    with (
        recorded(dataset, f"train-{model}") as facts,
        whole_folder(paths.curves(dataset, model)) as curve_folder,
        whole_folder(paths.models(dataset, model)) as folder,
    ):
        facts |= describe(device, threads) | {"precision": params.training.precision}
        finished = side_by_side(train_seed, params.seeds, threads)
        for training, _ in finished:
            save_state(training.best_weights, folder / f"{training.seed}.pt")
        facts["trainings"] = {model: [facts_of_training for _, facts_of_training in finished]}
        if device.type == "cuda":
            facts["gpu_peak_memory_bytes"] = torch.cuda.max_memory_allocated(device)
        curves = [{"seed": training.seed, **asdict(epoch)} for training, _ in finished for epoch in training.curve]
        with (curve_folder / "curve.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, curves[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(curves)


if __name__ == "__main__":
    run(train)
