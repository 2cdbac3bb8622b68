"""Fit quantizers after training, on embeddings of parts of the train users' histories, for each seed of a model.

python -m stages.quantize --dataset ml-latest-small --model dae-200
"""

from time import perf_counter

import torch

from stages import codecs
from stages.codebooks.clustering import CODES
from stages.config.checks import check_split
from stages.config.reader import read_params
from stages.config.rows import Row
from stages.interfaces.split import load_split
from stages.models.build import load_any
from stages.models.device import choose_device, describe, side_by_side, threads_for
from stages.run import paths
from stages.run.command_line import Dataset, Model, run
from stages.run.facts import recorded
from stages.run.files import whole_folder


def quantize(dataset: Dataset, model: Model) -> None:
    """Fit every quantizer that params.yaml names for a model, for each of its seeds.

    Seeds whose fits are too small for all threads are worked on side by side.
    """
    params = read_params()
    settings, quantizers = params.model(model), params.quantizers_of(model)
    split = load_split(paths.split(dataset))
    n_users, n_items = split.train.shape
    check_split(params, n_users, n_items, [model])
    device = choose_device(params.device)
    threads = threads_for(n_users * CODES * settings.width, torch.device("cpu"))  # faiss fits on the CPU
    with (
        recorded(dataset, f"quantize-{model}") as facts,
        whole_folder(paths.codecs(dataset, model)) as folder,
    ):
        facts |= describe(device, threads)
        for row in {row.nearest: None for row in params.quantized_rows_of(model)}:
            (folder / row.name).mkdir()

        def quantize_seed(seed: int) -> dict[str, float]:
            """Seconds that each quantizer took, all its variants together."""
            network = load_any(settings, split, paths.model(dataset, model, seed), device)
            # Held-out histories are shorter than those of training, and new to the model: parts are more like them. Of
            # vectors from elsewhere there are no parts.
            embeddings = network.embed_parts(split.train, torch.Generator(device).manual_seed(seed))
            seconds = {}
            for name, quantizer in quantizers.items():
                started = perf_counter()
                fitted = codecs.fit(quantizer, embeddings, n_items)
                seconds[name] = round(perf_counter() - started, 2)
                for variant, codec in fitted.items():
                    row = Row(model, name, variant)
                    codec.save(folder / row.name / f"{seed}.npz")
                    print(f"{row.name}, seed {seed}: {codec.bytes_per_vector} bytes per user", flush=True)
            return seconds

        of_seeds = side_by_side(quantize_seed, params.seeds_of(model), threads)
        facts["fit_seconds"] = {name: [seconds[name] for seconds in of_seeds] for name in quantizers}


if __name__ == "__main__":
    run(quantize)
