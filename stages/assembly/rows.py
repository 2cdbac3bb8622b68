"""Measures rows of the report on the test users, for both evaluate stages."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from stages.codebooks.codebook_codec import CodebookCodec
from stages.config.quantizer import EncoderSettings
from stages.config.strict import Encoder
from stages.evaluation.measurements import Measurements, measure_row, microseconds_of, write_measurements
from stages.evaluation.metrics import METRICS
from stages.guided.encoder import GuidedCodec
from stages.guided.guide import Guide
from stages.interfaces.codec import Codec
from stages.interfaces.recommender import Recommender
from stages.interfaces.split import Split
from stages.models.autoencoder import AutoEncoder
from stages.models.vectors import Vectors


class StoredRow(NamedTuple):
    """One training stored by one codec: one seed of a row of the report."""

    name: str
    seed: int
    model: Recommender
    """Recommender that scores items from decoded codes."""
    codec: Codec
    """Codec that stores the users."""


def with_encoder(codec: Codec, encoder: Encoder, settings: EncoderSettings, model: AutoEncoder | Vectors) -> Codec:
    """The codec as its codes are chosen by an encoder; `codec` itself chooses the nearest.

    Parameters
    ----------
    codec : with codebooks, unless the encoder is nearest
    settings : entry of the quantizer or the bottleneck
    model : whose output layer scores what is decoded
    """
    guide = Guide.of(encoder, settings)
    if guide is None:
        return codec
    # params.yaml was checked for both when it was read.
    assert isinstance(codec, CodebookCodec)
    assert isinstance(model, AutoEncoder)
    return GuidedCodec(codec, model.output.weight, model.output.bias, guide)


def measure_rows(
    stored: Iterable[StoredRow], split: Split, batch_size: int, folder: Path
) -> dict[str, dict[str, float]]:
    """Measure rows of a model, and write a folder of measurements for each.

    Parameters
    ----------
    stored : all seeds of all rows; seeds have the same order in every row
    batch_size : users ranked at once
    folder : new folder of the model

    Returns
    -------
    row → microseconds that it takes to encode and to decode a user, for the run facts
    """
    folder.mkdir(exist_ok=True)
    rows: dict[str, list[Measurements]] = {}
    for row in stored:
        rows.setdefault(row.name, []).append(measure_row(row.model, row.codec, split, batch_size, row.seed))
    for row_name, of_seeds in rows.items():
        write_measurements(of_seeds, folder / row_name)
        users = pd.concat([measured.per_user for measured in of_seeds])
        means = "  ".join(f"{metric.label} {users[metric.name].mean():.4f}" for metric in METRICS)
        print(f"{row_name}: {of_seeds[0].bytes_per_user:,.1f} bytes per user  {means}", flush=True)
    return {row_name: microseconds_of(of_seeds) for row_name, of_seeds in rows.items()}
