"""Train a model on the train users, once per seed; a killed training resumes from its last checkpoint.

python -m stages.train --dataset ml-latest-small --model dae-200
"""

from dataclasses import asdict

import pandas as pd
import torch

from stages.assembly.sessions import fingerprint_of, new_training, run_to_the_end
from stages.config.checks import check_split
from stages.config.reader import read_params
from stages.interfaces.split import load_split
from stages.interfaces.weights import save_state
from stages.models.device import choose_device, describe
from stages.run import paths
from stages.run.command_line import Dataset, Model, run
from stages.run.facts import recorded
from stages.run.files import whole_file, whole_folder
from stages.run.memory import keep_freed_memory


def train(dataset: Dataset, model: Model) -> None:
    """Train a model once per seed, and write the weights of each seed's best epoch on the validation users."""
    params = read_params()
    settings = params.model(model)
    split = load_split(paths.split(dataset))
    check_split(params, *split.train.shape, [model])
    device = choose_device(params.device)
    keep_freed_memory()
    curves, trainings = [], []
    with (
        recorded(dataset, f"train-{model}") as facts,
        whole_folder(paths.models(dataset, model)) as folder,
    ):
        facts |= describe(device) | {"precision": params.training.precision}
        for seed in params.seeds:
            training = new_training(params, dataset, settings, seed, split, device)
            checkpoint = paths.checkpoint(dataset, model, seed)
            fingerprint = fingerprint_of(params, dataset, settings, seed, device)
            trainings.append(run_to_the_end(training, checkpoint, fingerprint, params.training.checkpoint_epochs))
            save_state(training.best_weights, folder / f"{seed}.pt")
            curves += [{"seed": seed, **asdict(epoch)} for epoch in training.curve]
        facts["trainings"] = {model: trainings}
        if device.type == "cuda":
            facts["gpu_peak_memory_bytes"] = torch.cuda.max_memory_allocated(device)
        with whole_file(paths.curves(dataset, model)) as temporary:
            pd.DataFrame(curves).to_csv(temporary, index=False)


if __name__ == "__main__":
    run(train)
