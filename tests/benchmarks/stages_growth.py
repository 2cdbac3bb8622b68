"""Time and memory of stages at a tenth to three times the size of `ml-20m-rehearsal`.

python tests/benchmarks/stages_growth.py FOLDER              0.1, 0.3, 1 and 3 times; 20 to 30 minutes on 2 cores
python tests/benchmarks/stages_growth.py FOLDER 0.1 0.3      these alone

`train` is an epoch of DAE 200 with its validation, `quantize` OPQ of 20 bytes, `evaluate` the ranking of the test users
of that row and of the model; 10,000 users are held out for each set, but for the smallest, which has 5,000. The figures
go to reports/scale.json, the picture is reports/performance.png.
"""

import os
import subprocess
import sys
from pathlib import Path
from shutil import rmtree
from time import perf_counter

from ruamel.yaml import YAML

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.benchmarks.growth import record, watched

DATASET, MODEL, QUANTIZER = "ml-20m-rehearsal", "dae-200", "opq-20x10"
SHARES = (0.1, 0.3, 1.0, 3.0)
STAGES = {
    "preprocess": [],
    "train": ["--model", MODEL],
    "quantize": ["--model", MODEL],
    "evaluate_quantized": ["--model", MODEL],
}
ROOT = Path(__file__).parents[2]


def main(folder: Path, shares: list[float]) -> None:
    for share in shares:
        place = folder / f"{share:g}"
        rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        ratings = _write_params(place, share)
        _stage("download", place, []).wait()
        for name, options in STAGES.items():
            started = perf_counter()
            process = _stage(name, place, options)
            with watched(process.pid) as peak:
                failed = process.wait()
            if failed:
                sys.exit(f"error: {name} failed")
            written = sum(file.stat().st_size for file in (place / "data").rglob("*") if file.is_file()) / 1e9
            record("stages", name, ratings, perf_counter() - started, peak, disk_gb=round(written, 3))
        rmtree(place)


def _write_params(place: Path, share: float) -> int:
    """The pipeline's own, for one seed, epoch and quantizer; how many ratings there are."""
    params = YAML().load(ROOT / "params.yaml")
    dataset = params["datasets"][DATASET]
    for name in ("users", "ratings"):
        dataset["source"][name] = int(share * dataset["source"][name])
    dataset["split"]["held_out_users"] = min(dataset["split"]["held_out_users"], int(50_000 * share))
    dataset["training"]["epochs"] = 1
    dataset["models"] = {MODEL: {}}
    params["run"], params["seeds"] = [DATASET], [0]
    params["models"] = {MODEL: params["models"][MODEL]}
    params["quantized_models"] = {MODEL: [QUANTIZER]}
    params["serving"]["rows"] = [f"{MODEL}-{QUANTIZER}"]
    for others in ("float_twins", "quantized_items", "refits", "budgets", "studies"):
        params[others] = {}
    params["datasets"] = {DATASET: dataset}
    YAML().dump(params, place / "params.yaml")
    return int(dataset["source"]["ratings"])


def _stage(name: str, place: Path, options: list[str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", f"stages.{name}", "--dataset", DATASET, *options]
    return subprocess.Popen(command, cwd=place, env={**os.environ, "PYTHONPATH": str(ROOT)})


if __name__ == "__main__":
    main(Path(sys.argv[1]), [float(share) for share in sys.argv[2:]] or list(SHARES))
