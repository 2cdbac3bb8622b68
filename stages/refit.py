"""Train a model's output layer on for what each of some quantizers stores of users, and score it.

python -m stages.refit --dataset ml-latest-small --model dae-200
"""

import copy
import json

import pandas as pd

from stages.assembly.decoder_refit import Refit
from stages.config.params import Params, Row, read_params
from stages.interactions.protocol.strong_generalization import Split
from stages.interfaces.batches import keep_freed_memory
from stages.interfaces.split import load_split
from stages.models.build import (
    build_model,
    choose_device,
    choose_precision,
    describe,
    load_codec,
    load_weights,
    save_state,
)
from stages.models.training import Training
from stages.ranking.evaluation import evaluate
from stages.run import paths
from stages.run.command_line import Dataset, Model, run
from stages.run.records import recorded


def refit(dataset: Dataset, model: Model) -> None:
    """For each row and seed: the weights of the epoch with the best validation NDCG@100, none trained among them.

    Writes <row>/<seed>.pt, the output layer; and test_users.parquet: row, user, NDCG@100 before and after, means of
    seeds; epochs.json, the epoch that was kept of each seed.
    """
    params = read_params()
    settings, rules = params.model(model), params.refits_of(model)
    split = load_split(paths.split(dataset))
    device = choose_device(params.device)
    keep_freed_memory()
    batch_size = params.evaluation.batch_size
    rows = [Row(model, name, form) for name in rules.quantizers for form in params.quantizer(name).forms]
    found = []
    epochs: dict[str, list[int]] = {row.name: [] for row in rows}
    with (
        recorded(paths.record(dataset, f"refit-{model}")) as record,
        paths.whole_folder(paths.refits(dataset, model)) as folder,
    ):
        record |= describe(device)
        for row in rows:
            (folder / row.name).mkdir()
        for seed in params.seeds:
            trained = build_model(settings, split.train.shape[1])
            load_weights(trained, paths.model(dataset, model, seed), "train", device)
            for row in rows:
                path = paths.codecs(dataset, model) / row.name / f"{seed}.npz"
                codec = load_codec(path, params.quantizer(str(row.quantizer)), row.form)
                network = Refit(trained, codec).eval()
                before = evaluate(network, codec, split.test, batch_size)["ndcg@100"]
                kept = _train(params, dataset, model, network, split, seed)
                save_state(network.state_dict(), folder / row.name / f"{seed}.pt")
                after = evaluate(network, codec, split.test, batch_size)
                found.append(
                    pd.DataFrame({"row": row.name, "user": after["user"], "before": before, "after": after["ndcg@100"]})
                )
                epochs[row.name].append(kept)
                print(f"{row.name}, seed {seed}: {before.mean():.4f}, {after['ndcg@100'].mean():.4f} after {kept} of "
                      f"{rules.epochs} epochs", flush=True)  # fmt: skip
        means = pd.concat(found).groupby(["row", "user"], sort=False, as_index=False).mean()
        means.to_parquet(folder / "test_users.parquet", index=False)
        (folder / "epochs.json").write_text(json.dumps(epochs, indent=2) + "\n")


def _train(params: Params, dataset: str, model: str, network: Refit, split: Split, seed: int) -> int:
    """Train the network, give it its best weights, and return the epoch that they are of; 0 for those it had."""

    def validate() -> float:
        return float(
            evaluate(network, network.codec(), split.validation, params.evaluation.batch_size)["ndcg@100"].mean()
        )

    rules, size = params.refits_of(model), params.dataset(dataset).training
    training = Training(
        network,
        split.train,
        validate=validate,
        epochs=rules.epochs,
        batch_size=size.batch_size,
        learning_rate=rules.learning_rate,
        cooldown=params.training.cooldown,
        l2=params.model(model).l2,
        precision=choose_precision(params.training.precision, network.output.weight.device),
        seed=seed,
    )
    kept, best = 0, validate()
    training.best_ndcg, training.best_weights = best, copy.deepcopy(network.state_dict())
    for epoch in training.run(iter):
        if training.best_ndcg > best:
            kept, best = epoch.epoch, training.best_ndcg
    network.load_state_dict(training.best_weights)
    return kept


if __name__ == "__main__":
    run(refit)
