"""Train a model's output layer further on decoded user codes, for several quantizers, and measure it.

python -m stages.refit --dataset ml-latest-small --model dae-200
"""

import copy

import pandas as pd

from stages.assembly.decoder_refit import DecoderRefit
from stages.assembly.sessions import threads_of
from stages.codecs import load_codec
from stages.config.params import Params
from stages.config.reader import read_params
from stages.config.rows import Row
from stages.interfaces.split import Split, load_split
from stages.interfaces.weights import save_state
from stages.models.build import load_model
from stages.models.device import choose_device, choose_precision, describe, side_by_side
from stages.ranking.evaluation import ndcg_of_users
from stages.run import paths
from stages.run.command_line import Dataset, Model, run
from stages.run.facts import recorded
from stages.run.files import whole_folder
from stages.run.json_files import write_json
from stages.run.memory import keep_freed_memory
from stages.training.loop import Training


def refit(dataset: Dataset, model: Model) -> None:
    """Refit the output layer for each row and seed, and choose the epoch with the best validation NDCG@100.

    Epoch 0, the weights before the refit, can be chosen too. Writes the output layers, <row>/<seed>.pt; the results on
    the test users, test_users.parquet with columns row, user, before and after (NDCG@100) and seed; and the best
    epoch of each seed, epochs.json.
    """
    params = read_params()
    settings = params.refits_of(model)
    split = load_split(paths.split(dataset))
    device = choose_device(params.device)
    keep_freed_memory()
    batch_size = params.evaluation.batch_size
    rows = [Row(model, name, variant) for name in settings.quantizers for variant in params.quantizer(name).variants]
    threads = threads_of(params, dataset, params.recipe(dataset, model), split, device)
    with (
        recorded(dataset, f"refit-{model}") as facts,
        whole_folder(paths.refits(dataset, model)) as layers,
        whole_folder(paths.evaluation(dataset, "refits", model)) as folder,
    ):
        facts |= describe(device, threads)
        for row in rows:
            (layers / row.name).mkdir()

        def refit_seed(seed: int) -> tuple[list[pd.DataFrame], list[int]]:
            """NDCG@100 of the test users, and the best epoch, of each row."""
            trained = load_model(params.trained(model), split.train.shape[1], paths.model(dataset, model, seed), device)
            results, epochs = [], []
            for row in rows:
                codec = load_codec(paths.codec(dataset, model, row.name, seed))
                network = DecoderRefit(trained, codec).eval()
                before = ndcg_of_users(network, codec, split.test, batch_size)
                epochs.append(_train(params, dataset, model, network, split, seed))
                save_state(network.state_dict(), layers / row.name / f"{seed}.pt")
                after = ndcg_of_users(network, codec, split.test, batch_size)
                users = {"row": row.name, "user": split.test.scored(), "seed": seed, "before": before, "after": after}
                results.append(pd.DataFrame(users))
                print(f"{row.name}, seed {seed}: {before.mean():.4f}, {after.mean():.4f} after {epochs[-1]} of "
                      f"{settings.epochs} epochs", flush=True)  # fmt: skip
            return results, epochs

        of_seeds = side_by_side(refit_seed, params.seeds, threads)
        results = [users for of_seed, _ in of_seeds for users in of_seed]
        pd.concat(results, ignore_index=True).to_parquet(folder / "test_users.parquet", index=False)
        epochs = {row.name: [of_seed[number] for _, of_seed in of_seeds] for number, row in enumerate(rows)}
        write_json(epochs, folder / "epochs.json")


def _train(params: Params, dataset: str, model: str, network: DecoderRefit, split: Split, seed: int) -> int:
    """Train the network, load its best weights, and return their epoch; 0 for the weights it had before."""

    def validate() -> float:
        return float(ndcg_of_users(network, network.codec(), split.validation, params.evaluation.batch_size).mean())

    settings, size = params.refits_of(model), params.dataset(dataset).training
    training = Training(
        network,
        split.train,
        validate=validate,
        epochs=settings.epochs,
        batch_size=size.batch_size,
        learning_rate=settings.learning_rate,
        cooldown=params.training.cooldown,
        l2=params.recipe(dataset, model).settings.l2,
        precision=choose_precision(params.precision(dataset), network.output.weight.device),
        seed=seed,
        n_sampled=params.training.sampled.of(split.train.shape[1]),
    )
    best_epoch, best = 0, validate()
    training.best_ndcg, training.best_weights = best, copy.deepcopy(network.state_dict())
    for epoch in training.run(iter):
        if training.best_ndcg > best:
            best_epoch, best = epoch.epoch, training.best_ndcg
    network.load_state_dict(training.best_weights)
    return best_epoch


if __name__ == "__main__":
    run(refit)
