"""Fit a quantizer, after training, on the train users' embeddings by each of a model's trainings.

python -m stages.quantize --dataset ml-latest-small --model dae-200-200-200 --quantizer pq-40x5
"""

import numpy as np

from stages import paths
from stages.build import build_model, choose_device, describe, fit_codec, load_weights
from stages.command_line import Dataset, Model, Quantizer, run
from stages.interactions.storage import load_split
from stages.params import read_params
from stages.quantizers.codec import SomeHistory
from stages.records import recorded


def quantize(dataset: Dataset, model: Model, quantizer: Quantizer) -> None:
    """Fit a quantizer on the train users' embeddings, for every seed of the model."""
    params = read_params()
    base = params.rows_of(model, quantizer)[0].base
    split = load_split(paths.split(dataset))
    n_items = split.train.shape[1]
    device = choose_device(params.device)
    with (
        recorded(paths.record(dataset, f"quantize-{base}")) as record,
        paths.whole_folder(paths.codecs(dataset, base)) as folder,
    ):
        record |= describe(device)
        for seed in params.seeds:
            network = build_model(params.model(model), n_items)
            load_weights(network, paths.model(dataset, model, seed), "train", device)
            embeddings = network.embed(split.train)
            codec = fit_codec(params.quantizer(quantizer), embeddings, n_items)
            codec.save(folder / f"{seed}.npz")
            lost = ""
            if not isinstance(codec, SomeHistory):
                error = np.square(embeddings - codec.decode(codec.encode(embeddings))).sum()
                variance = np.square(embeddings - embeddings.mean(0)).sum()
                lost = f", {error / variance:.1%} of the variance lost on train users"
            print(f"{base}, seed {seed}: {codec.bytes_per_vector} bytes per user{lost}")


if __name__ == "__main__":
    run(quantize)
