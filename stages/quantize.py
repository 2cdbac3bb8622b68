"""Fit a quantizer, after training, on the train users' embeddings.

python -m stages.quantize --dataset ml-latest-small --model dae-200-200-200 --quantizer pq-40x5
"""

import numpy as np

from stages import paths
from stages.build import choose_device, describe, load_model
from stages.command_line import Dataset, Model, Quantizer, run
from stages.errors import UserError
from stages.interactions.storage import load_split
from stages.params import Row, read_params
from stages.quantizers.product import ProductCodec, fit_codebooks
from stages.records import recorded


def quantize(dataset: Dataset, model: Model, quantizer: Quantizer) -> None:
    """Fit a quantizer on the train users' embeddings of a trained model."""
    params = read_params()
    row = Row(model, quantizer)
    if row not in params.rows():
        raise UserError(f"params.yaml has no row {row.name}; quantized_models and quantizers there name them")
    settings = params.quantizer(quantizer)
    split = load_split(paths.split(dataset))
    device = choose_device(params.device)
    with recorded(paths.record(dataset, f"quantize-{row.name}")) as record:
        record |= describe(device)
        network = load_model(paths.model(dataset, model), params.model(model), split.train.shape[1], device)
        embeddings = np.asarray(network.embed(split.train))
        codec = ProductCodec(fit_codebooks(embeddings, settings.chunks, settings.seed))
        with paths.whole_file(paths.codec(dataset, row.name)) as temporary:
            codec.save(temporary)
    error = (
        np.square(embeddings - codec.decode(codec.encode(embeddings))).sum()
        / np.square(embeddings - embeddings.mean(0)).sum()
    )
    print(f"{row.name}: {codec.bytes_per_vector} bytes per user, {error:.1%} of the variance lost on train users")


if __name__ == "__main__":
    run(quantize)
