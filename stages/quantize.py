"""Fit quantizers after training, on the embeddings of the train users, for each seed of a model.

python -m stages.quantize --dataset ml-latest-small --model dae-200
"""

from time import perf_counter

from stages import codecs
from stages.config.checks import check_split
from stages.config.reader import read_params
from stages.config.rows import Row
from stages.interfaces.split import load_split
from stages.models.build import load_model
from stages.models.device import choose_device, describe
from stages.run import paths
from stages.run.command_line import Dataset, Model, run
from stages.run.facts import recorded
from stages.run.files import whole_folder


def quantize(dataset: Dataset, model: Model) -> None:
    """Fit every quantizer that params.yaml names for a model, for each of its seeds."""
    params = read_params()
    quantizers = params.quantizers_of(model)
    split = load_split(paths.split(dataset))
    n_users, n_items = split.train.shape
    check_split(params, n_users, n_items, [model])
    device = choose_device(params.device)
    seconds: dict[str, list[float]] = {}
    with (
        recorded(dataset, f"quantize-{model}") as facts,
        whole_folder(paths.codecs(dataset, model)) as folder,
    ):
        facts |= describe(device)
        for row in params.quantized_rows_of(model):
            (folder / row.name).mkdir()
        for seed in params.seeds:
            network = load_model(params.model(model), n_items, paths.model(dataset, model, seed), device)
            embeddings = network.embed(split.train)
            for name, settings in quantizers.items():
                started = perf_counter()
                fitted = codecs.fit(settings, embeddings, n_items)
                seconds.setdefault(name, []).append(round(perf_counter() - started, 2))
                for variant, codec in fitted.items():
                    row = Row(model, name, variant)
                    codec.save(folder / row.name / f"{seed}.npz")
                    print(f"{row.name}, seed {seed}: {codec.bytes_per_vector} bytes per user", flush=True)
        facts["fit_seconds"] = seconds  # of all variants together, for each seed


if __name__ == "__main__":
    run(quantize)
