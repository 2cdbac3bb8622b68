"""Score a row of the report on the test users: a model as it is, or with its users quantized after training.

python -m stages.evaluate --dataset ml-latest-small --model dae-200
python -m stages.evaluate --dataset ml-latest-small --model dae-200-200-200 --quantizer pq-40x5
"""

import json

import numpy as np
import pandas as pd
from scipy.stats import sem

from stages import paths
from stages.build import choose_device, describe, load_codec, load_model
from stages.command_line import Dataset, Model, Quantizer, run
from stages.errors import UserError
from stages.interactions.storage import load_split
from stages.models.memory import keep_freed_memory
from stages.params import Row, read_params
from stages.quantizers.codec import stored_bytes
from stages.quantizers.product import ProductCodec, code_usage
from stages.ranking.evaluation import METRICS, encode_users
from stages.ranking.evaluation import evaluate as evaluate_users
from stages.ranking.groups import quarters_of_interactions
from stages.records import recorded


def evaluate(dataset: Dataset, model: Model, quantizer: Quantizer | None = None) -> None:
    """Write a row's metrics on the test users: means and standard errors, per user, and its code usage."""
    params = read_params()
    row = Row(model, quantizer)
    if row not in params.rows():
        raise UserError(f"params.yaml has no row {row.name}; models, quantized_models and quantizers there name them")
    split = load_split(paths.split(dataset))
    device = choose_device(params.device)
    batch_size = params.evaluation.batch_size
    keep_freed_memory()
    with recorded(paths.record(dataset, f"evaluate-{row.name}")) as record:
        record |= describe(device)
        network = load_model(paths.model(dataset, model), params.model(model), split.train.shape[1], device)
        codec = network.codec() if quantizer is None else load_codec(paths.codec(dataset, row.name))
        quarters = quarters_of_interactions(split.train)
        per_user = evaluate_users(network, codec, split.test, batch_size, quarters)
        n_test = split.test.fold_in.shape[0]
        encoded = encode_users(network, codec, split.test.fold_in, batch_size)
        bytes_per_user = sum(stored_bytes(codes) for codes in encoded) / n_test
        values = {name: per_user[name].to_numpy() for name in METRICS}
        mean = {name: float(value.mean()) for name, value in values.items()}
        result = {
            "bytes_per_user": bytes_per_user,
            "shared_bytes": codec.shared_bytes,
            "mean": mean,
            "standard_error": {name: float(sem(value)) for name, value in values.items()},
        }
        usage = pd.DataFrame({"chunk": [], "perplexity": [], "dead": []})
        if isinstance(codec, ProductCodec):
            codes = [np.asarray(codes) for codes in encode_users(network, codec, split.train, batch_size)]
            perplexity, dead = code_usage(np.concatenate(codes))
            usage = pd.DataFrame({"chunk": range(1, len(dead) + 1), "perplexity": perplexity, "dead": dead})
        per_user.insert(0, "user_id", split.users[-n_test:][per_user["user"]])
        with paths.whole_folder(paths.evaluation(dataset, row.name)) as folder:
            per_user.to_parquet(folder / "per_user.parquet", index=False)
            usage.to_csv(folder / "code_usage.csv", index=False)
            (folder / "metrics.json").write_text(json.dumps(result, indent=2) + "\n")
    means = "  ".join(f"{name} {value:.4f}" for name, value in mean.items())
    print(f"{row.name}: {bytes_per_user:,.1f} bytes per user  {means}")


if __name__ == "__main__":
    run(evaluate)
