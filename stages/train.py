"""Train a model on the train users, once per seed; a killed training goes on from its last checkpoint.

python -m stages.train --dataset ml-latest-small --model dae-200
"""

from dataclasses import asdict

import pandas as pd
import torch

from stages.assembly.sessions import fingerprint_of, new_training, run_to_the_end
from stages.config.params import read_params
from stages.interfaces.batches import keep_freed_memory
from stages.interfaces.split import load_split
from stages.models.build import choose_device, describe, save_state
from stages.run import paths
from stages.run.command_line import Dataset, Model, run
from stages.run.records import recorded


def train(dataset: Dataset, model: Model) -> None:
    """Train a model once per seed, and keep the weights of each one's best epoch on the validation users."""
    params = read_params()
    settings = params.model(model)
    split = load_split(paths.split(dataset))
    params.check_split(*split.train.shape)
    device = choose_device(params.device)
    keep_freed_memory()
    curves, trainings = [], []
    with (
        recorded(paths.record(dataset, f"train-{model}")) as record,
        paths.whole_folder(paths.models(dataset, model)) as folder,
    ):
        record |= describe(device) | {"precision": params.training.precision}
        for seed in params.seeds:
            training = new_training(params, dataset, settings, seed, split, device)
            checkpoint = paths.checkpoint(dataset, model, seed)
            fingerprint = fingerprint_of(params, dataset, settings, seed, device)
            trainings.append(run_to_the_end(training, checkpoint, fingerprint, params.training.checkpoint_epochs))
            save_state(training.best_weights, folder / f"{seed}.pt")
            curves += [{"seed": seed, **asdict(epoch)} for epoch in training.curve]
        record["trainings"] = trainings
        if device.type == "cuda":
            record["gpu_peak_memory_bytes"] = torch.cuda.max_memory_allocated(device)
        with paths.whole_file(paths.curves(dataset, model)) as temporary:
            pd.DataFrame(curves).to_csv(temporary, index=False)
    for seed in params.seeds:
        paths.checkpoint(dataset, model, seed).unlink(missing_ok=True)


if __name__ == "__main__":
    run(train)
