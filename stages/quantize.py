"""Fit quantizers, after training, on the train users' embeddings by each of a model's trainings.

python -m stages.quantize --dataset ml-latest-small --model dae-200
"""

from time import perf_counter

from stages.codecs.history import SomeHistory
from stages.config.params import Row, read_params
from stages.evaluation.cost import variance_lost
from stages.interfaces.split import load_split
from stages.models.build import build_model, choose_device, describe, fit_codecs, load_weights
from stages.run import paths
from stages.run.command_line import Dataset, Model, run
from stages.run.records import recorded


def quantize(dataset: Dataset, model: Model) -> None:
    """Fit every quantizer that params.yaml names for a model, for each of its seeds."""
    params = read_params()
    rows = params.quantized_rows_of(model)
    split = load_split(paths.split(dataset))
    n_users, n_items = split.train.shape
    params.check_split(n_users, n_items)
    device = choose_device(params.device)
    seconds: dict[str, list[float]] = {}
    with (
        recorded(paths.record(dataset, f"quantize-{model}")) as record,
        paths.whole_folder(paths.codecs(dataset, model)) as folder,
    ):
        record |= describe(device)
        for row in rows:
            (folder / row.name).mkdir()
        for seed in params.seeds:
            network = build_model(params.model(model), n_items)
            load_weights(network, paths.model(dataset, model, seed), "train", device)
            embeddings = network.embed(split.train)
            for name, settings in params.quantizers_of(model).items():
                started = perf_counter()
                codecs = fit_codecs(settings, embeddings, n_items)
                seconds.setdefault(name, []).append(round(perf_counter() - started, 2))
                for form, codec in codecs.items():
                    row = Row(model, name, form)
                    codec.save(folder / row.name / f"{seed}.npz")
                    lost = ""
                    if not isinstance(codec, SomeHistory):
                        lost = f", {variance_lost(codec, embeddings):.1%} of the variance lost on train users"
                    print(f"{row.name}, seed {seed}: {codec.bytes_per_vector} bytes per user{lost}", flush=True)
        record["fit_seconds"] = seconds  # of all forms, for each seed


if __name__ == "__main__":
    run(quantize)
