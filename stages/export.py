"""Write packages of the rows that params.yaml hands over: all that is needed to serve users, without this code.

python -m stages.export --dataset ml-latest-small
"""

import hashlib
import json
from math import isnan

import numpy as np
import pandas as pd
import torch

from stages.codecs import load_codec
from stages.config.model import ModelOnDataset
from stages.config.params import IN_NO_RESULT, Params
from stages.config.quantizer import EncoderSettings
from stages.config.reader import read_params
from stages.config.rows import Row
from stages.guided.guide import Guide
from stages.interfaces.codec import Codec
from stages.interfaces.matrix_files import interactions_of_items
from stages.interfaces.split import load_split
from stages.models.autoencoder import AutoEncoder, in_variant
from stages.models.build import load_model
from stages.reporting.result_tables import anything, integers, numbers, read_parquet
from stages.run import paths
from stages.run.command_line import Dataset, run
from stages.run.digests import DIGESTS, damaged
from stages.run.facts import recorded
from stages.run.files import whole_folder
from stages.serving.export.convert import items_of, layers_of, quantizer_of
from stages.serving.package.files import write_package
from stages.serving.package.manifest import Measured, Origin
from stages.statistics.bootstrap import Bootstrap

NDCG = "ndcg@100"
OF_ENCODERS = set(EncoderSettings.model_fields)


def export(dataset: Dataset) -> None:
    """Write a package of each row under serving in params.yaml, from the training of the seed there."""
    params = read_params()
    folder_of_split = paths.split(dataset)
    split = load_split(folder_of_split)
    titles = _titles(dataset)
    interactions = interactions_of_items(split.train)
    data_sha256 = hashlib.sha256((folder_of_split / DIGESTS).read_bytes()).hexdigest()
    with recorded(dataset, "export"), whole_folder(paths.packages(dataset)) as folder:
        for row in params.serving_rows():
            model, codec = _trained(params, dataset, row, len(split.items))
            origin = Origin(
                data_set=params.dataset(dataset).title,
                row=row.name,
                seed=params.serving.seed,
                data_sha256=data_sha256,
                parameters_sha256=_parameters_sha256(params, dataset, row),
                ndcg=_measured(params, dataset, row),
            )
            (folder / row.name).mkdir()
            quantizer = quantizer_of(codec, Guide.of(row.encoder, params.encoder_of(row)))
            items = items_of(model, split.items, titles, interactions)
            digest = write_package(folder / row.name, origin, layers_of(model), quantizer, items)
            print(f"{row.name}: {quantizer.n_bytes} bytes per user, package {digest[:12]}", flush=True)


def _trained(params: Params, dataset: str, row: Row, n_items: int) -> tuple[AutoEncoder, Codec]:
    """The model of a row, and the codec of its users."""
    seed = params.serving.seed
    # On the CPU, wherever it was trained: nothing is computed here.
    path = paths.model(dataset, row.model, seed)
    model = load_model(params.trained(row.model), n_items, path, torch.device("cpu"))
    if row.quantizer is None:
        return model, in_variant(model.codec(), row.variant)
    return model, load_codec(paths.codec(dataset, row.model, row.nearest.name, seed))


def _titles(dataset: str) -> list[str] | None:
    """Titles of the items, in the order of the columns; None where the data set has none."""
    path = paths.split(dataset) / "items.parquet"
    table = read_parquet(path, "preprocess", {"item": anything})
    if "title" not in table:
        return None
    titles = table["title"].tolist()
    if not all(isinstance(title, str) for title in titles):
        raise damaged(path, "has no column title as it should be", "preprocess")
    return titles


def _measured(params: Params, dataset: str, row: Row) -> Measured:
    """NDCG@100 of this training on the test users, as the evaluation left it."""
    group, stage = ("quantized", "evaluate-quantized") if row.quantizer else ("models", "evaluate")
    path = paths.evaluation(dataset, group, row.model) / row.name / "per_user.parquet"
    per_user = read_parquet(path, stage, {"seed": integers, NDCG: numbers})
    of_seed: pd.Series[float] = per_user.loc[per_user["seed"] == params.serving.seed, NDCG]
    if of_seed.empty:
        raise damaged(path, f"has no users of seed {params.serving.seed}", stage)
    bootstrap = Bootstrap(params.report.bootstrap_resamples, params.report.bootstrap_seed)
    mean, *ends = bootstrap.mean(of_seed.to_numpy(dtype=np.float64)[None])
    low, high = (None if isnan(end) else end for end in ends)
    return Measured(mean=mean, low=low, high=high, users=len(of_seed))


def _parameters_sha256(params: Params, dataset: str, row: Row) -> str:
    """Of the entries of params.yaml that decide weights and codebooks, which are the same for all encoders."""
    data = params.dataset(dataset)
    entries = {
        "format": data.format.model_dump(),
        "split": data.split.model_dump(),
        "training": [data.training.model_dump(), params.training.model_dump(exclude=IN_NO_RESULT)],
        "model": params.model(row.model).model_dump(exclude={"bottleneck": OF_ENCODERS}),
        "model on the data set": data.models.get(row.model, ModelOnDataset()).model_dump(exclude_none=True),
        "quantizer": params.quantizer(row.quantizer).model_dump(exclude=OF_ENCODERS) if row.quantizer else None,
        "seed": params.serving.seed,
    }
    return hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest()


if __name__ == "__main__":
    run(export)
