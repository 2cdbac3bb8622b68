"""Users encoded in parts, by one process and by workers of Ray: time, memory of a process, digest of the codes.

python tests/benchmarks/encode_scale.py FOLDER 1000000 local
python tests/benchmarks/encode_scale.py FOLDER 50000000 ray 2    with 2 workers; needs the extra scale

Histories come to FOLDER, 70 MB for a million users, in files of half a million; fewer users are the first of them.
Users and items have the tails of `rehearsal-66m` in params.yaml, and the package is as large as its own would be:
500,000 items, 200 dimensions, OPQ codes of 20 bytes, all drawn. The figures go to reports/scale.json.
"""

import hashlib
import sys
from pathlib import Path
from shutil import rmtree
from time import perf_counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parents[2]))

from stages.config.params import ScaleSettings
from stages.interactions.sources.made_up_log import ACTIVITY, POPULARITY, SPREAD
from stages.scale.engine import Failed
from stages.serving.encoding.resumable import encode_histories
from stages.serving.package.package import Items, Layer, Package, Quantizer
from tests.benchmarks.growth import record, watched

N_ITEMS, WIDTH, N_BYTES = 500_000, 200, 20
MEAN_ITEMS, MOST_ITEMS = 32, 2_000
USERS_PER_FILE = 500_000


def main(folder: Path, n_users: int, engine: str, workers: int = 1) -> None:
    histories = written(folder, n_users)
    out, package = folder / "codes", drawn_package()
    rmtree(out, ignore_errors=True)
    settings = ScaleSettings.model_validate({"engine": engine, "workers": workers, "parts": 1})
    started = perf_counter()
    with watched() as peak:
        for number, part in enumerate(encode_histories(histories, package, out, settings)):
            assert not isinstance(part, Failed), part
            if number % 10 == 0:
                print(part, f"{perf_counter() - started:.0f} s", flush=True)
    seconds = perf_counter() - started
    parts = sorted(out.glob("*.parquet"))
    digest = hashlib.sha256(b"".join(hashlib.sha256(part.read_bytes()).digest() for part in parts)).hexdigest()
    disk = sum(part.stat().st_size for part in parts) / 1e9
    way = "one process" if engine == "local" else f"Ray, {workers} {'worker' if workers == 1 else 'workers'}"
    record("encode", way, n_users, seconds, peak, disk_gb=round(disk, 3), sha256=digest)


def written(folder: Path, n_users: int) -> Path:
    """Histories of so many users, of which each half million has its own generator."""
    histories = folder / f"histories-{n_users}"
    histories.mkdir(parents=True, exist_ok=True)
    for number in range(-(-n_users // USERS_PER_FILE)):
        file, link = folder / f"{number:05}.parquet", histories / f"{number:05}.parquet"
        if not file.exists():
            pq.write_table(drawn_histories(number), file, compression="zstd")
        if not link.exists():
            link.symlink_to(file.absolute())
    return histories


def drawn_histories(number: int) -> pa.Table:
    """Users with some items each, a few of them twice."""
    generator = np.random.default_rng([66, number])
    place = generator.random(USERS_PER_FILE)  # from the most to the least active user
    lengths = generator.poisson(MEAN_ITEMS / ACTIVITY * place ** (1 / ACTIVITY - 1)).clip(1, MOST_ITEMS)
    ends = np.concatenate([[0], lengths.cumsum()])
    items = (N_ITEMS * generator.random(ends[-1]) ** POPULARITY).astype(np.int32)
    items = (items.astype(np.int64) * SPREAD % N_ITEMS).astype(np.int32)
    users = np.arange(number * USERS_PER_FILE, (number + 1) * USERS_PER_FILE)
    return pa.table({"user": users, "items": pa.ListArray.from_arrays(ends.astype(np.int32), items)})


def drawn_package() -> Package:
    draws = np.random.default_rng(0)

    def drawn(*shape: int) -> np.ndarray:
        return draws.standard_normal(shape, np.float32)

    weight = drawn(N_ITEMS, WIDTH)
    layer = Layer(weight, np.zeros(WIDTH, np.float32), tanh=True)
    rotation = np.linalg.qr(drawn(WIDTH, WIDTH))[0]
    quantizer = Quantizer("product", drawn(N_BYTES, 256, WIDTH // N_BYTES), N_BYTES, into=rotation, back=rotation.T)
    items = Items(np.arange(N_ITEMS), None, weight, np.zeros(N_ITEMS, np.float32), np.ones(N_ITEMS, np.int64))
    return Package("drawn", "d" * 64, [layer], quantizer, items)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], *map(int, sys.argv[4:]))
