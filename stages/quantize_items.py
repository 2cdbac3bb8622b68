"""Quantize a model's item tables, its output and input layers, and measure the effect on the test users.

python -m stages.quantize_items --dataset ml-latest-small --model dae-200
"""

import copy
from statistics import fmean
from time import perf_counter
from typing import NamedTuple

import numpy as np
import torch

from stages import codecs
from stages.codebooks.clustering import CODES
from stages.codebooks.fitted import FittedCodec
from stages.config.checks import check_split
from stages.config.reader import read_params
from stages.config.rows import TABLES, ItemRow
from stages.evaluation.code_usage import no_code_usage
from stages.evaluation.cost import MOST_VECTORS_TIMED, microseconds, variance_lost
from stages.evaluation.measurements import Measurements, measure_users, microseconds_of, write_measurements
from stages.interfaces.codec import Codec, Float32
from stages.interfaces.split import Split, load_split
from stages.models.autoencoder import AutoEncoder
from stages.models.build import load_model
from stages.models.device import choose_device, describe, side_by_side, threads_for
from stages.run import paths
from stages.run.command_line import Dataset, Model, run
from stages.run.facts import recorded
from stages.run.files import whole_folder
from stages.run.memory import keep_freed_memory


class QuantizedTable(NamedTuple):
    """A quantized item table: the weights of the output or input layer."""

    codec: FittedCodec
    decoded: np.ndarray
    """float32 (n_items, d), the table after encoding and decoding."""
    variance_lost: float | None
    """Share of the table's variance lost by quantization; None where its rows are all alike."""
    encode_us: float
    """Encoding time in microseconds per item."""
    decode_us: float
    """Decoding time in microseconds per item."""


def quantize_items(dataset: Dataset, model: Model) -> None:
    """Fit a model's item quantizers, and measure rows with one table, both tables, or tables and users quantized."""
    params = read_params()
    quantizers = params.item_quantizers_of(model)
    split = load_split(paths.split(dataset))
    n_users, n_items = split.train.shape
    check_split(params, n_users, n_items, [model])
    device = choose_device(params.device)
    keep_freed_memory()
    threads = threads_for(n_items * CODES * params.trained(model).width, torch.device("cpu"))  # faiss: on the CPU
    with (
        recorded(dataset, f"quantize-items-{model}") as facts,
        whole_folder(paths.item_codecs(dataset, model)) as codec_folder,
        whole_folder(paths.evaluation(dataset, "items", model)) as folder,
    ):
        facts |= describe(device, threads)

        def quantize_seed(seed: int) -> tuple[dict[str, Measurements], dict[str, float]]:
            """Measurements of each row, and seconds that each quantizer took for both tables and all variants."""
            network = load_model(params.trained(model), n_items, paths.model(dataset, model, seed), device)
            tables = {"output": _numbers(network.output.weight), "input": _numbers(network.input_weight)}
            rows, seconds = {}, {}
            for name, settings in quantizers.items():
                started = perf_counter()
                fitted = {table: codecs.fit(settings, vectors, n_items) for table, vectors in tables.items()}
                seconds[name] = round(perf_counter() - started, 2)
                for variant in settings.variants:
                    quantized = {table: _quantize(tables[table], of[variant]) for table, of in fitted.items()}
                    for what in TABLES:
                        row = ItemRow(model, name, variant, what)
                        users: Codec = Float32()
                        if what == "users-too":
                            users = codecs.load_codec(paths.codec(dataset, model, row.users.name, seed))
                        measured = _measure(
                            network, users, split, tables, quantized, what, params.evaluation.batch_size
                        )
                        measured.per_user["seed"] = seed
                        rows[row.name] = measured
                    target = codec_folder / row.users.name
                    target.mkdir(exist_ok=True)
                    for table, (codec, *_) in quantized.items():
                        codec.save(target / f"{seed}-{table}.npz")
                    print(
                        f"{row.users.name}, seed {seed}: {codec.bytes_per_vector} bytes per item and table", flush=True
                    )
            return rows, seconds

        of_seeds = side_by_side(quantize_seed, params.seeds, threads)
        rows = {name: [measured[name] for measured, _ in of_seeds] for name in of_seeds[0][0]}
        for row_name, measurements in rows.items():
            write_measurements(measurements, folder / row_name)
        facts["fit_seconds"] = {name: [seconds[name] for _, seconds in of_seeds] for name in quantizers}
        facts["microseconds"] = {name: microseconds_of(measurements) for name, measurements in rows.items()}


def _measure(
    network: AutoEncoder,
    users: Codec,
    split: Split,
    tables: dict[str, np.ndarray],
    quantized: dict[str, QuantizedTable],
    what: str,
    batch_size: int,
) -> Measurements:
    """Measure the network with decoded item tables; bytes, variance lost and times are those of the tables, per item.

    Parameters
    ----------
    users : codec that stores the users
    what : one of `stages.config.rows.TABLES`, the tables to quantize
    """
    replaced = {table: of for table, of in quantized.items() if what in (table, "both", "users-too")}
    changed = copy.deepcopy(network)
    for table, of in replaced.items():
        weight = changed.output.weight if table == "output" else changed.input_weight
        weight.data.copy_(torch.from_numpy(of.decoded))
    lost = [of.variance_lost for of in replaced.values() if of.variance_lost is not None]
    float_bytes = sum(4 * vectors.shape[1] for table, vectors in tables.items() if table not in replaced)
    return Measurements(
        measure_users(changed, users, split.test, batch_size),
        no_code_usage().assign(seed=0),
        validation_ndcg=None,
        bytes_per_user=float_bytes + sum(of.codec.bytes_per_vector for of in replaced.values()),
        shared_bytes=sum(of.codec.shared_bytes for of in replaced.values()),
        variance_lost=fmean(lost) if len(lost) == len(replaced) else None,
        fit_errors=[],
        encode_us=sum(of.encode_us for of in replaced.values()),
        decode_us=sum(of.decode_us for of in replaced.values()),
    )


def _quantize(vectors: np.ndarray, codec: FittedCodec) -> QuantizedTable:
    decoded = np.asarray(codec.decode(codec.encode(vectors)))
    times = microseconds(codec, lambda: codec.encode(vectors[:MOST_VECTORS_TIMED]))
    return QuantizedTable(codec, decoded, variance_lost(vectors, decoded), *times)


def _numbers(weight: torch.Tensor) -> np.ndarray:
    return weight.detach().cpu().numpy().copy()


if __name__ == "__main__":
    run(quantize_items)
