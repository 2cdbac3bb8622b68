"""The stage train with 500,000 items: an epoch of DAE 200 by a sample of them, and its validation.

python tests/benchmarks/many_items.py FOLDER    where preprocess_scale.py left the split of 20 million rows

The figures go to reports/performance.json.
"""

import os
import subprocess
import sys
from pathlib import Path
from shutil import rmtree

from ruamel.yaml import YAML

sys.path.insert(0, str(Path(__file__).parents[2]))

from stages.run import facts, paths
from tests.benchmarks.growth import watched
from tests.benchmarks.performance import record
from tests.benchmarks.preprocess_scale import DATASET, ROOT

MODEL = "dae-200"


def main(folder: Path) -> None:
    place = folder / "20-million-rows"
    params = YAML().load(ROOT / "params.yaml")
    params["datasets"][DATASET]["models"] = {MODEL: {}}
    params["seeds"] = [0]
    YAML().dump(params, place / "params.yaml")
    for written in (place / paths.model(DATASET, MODEL, 0).parent, place / "data" / DATASET / "checkpoints"):
        rmtree(written, ignore_errors=True)
    command = [sys.executable, "-m", "stages.train", "--dataset", DATASET, "--model", MODEL]
    process = subprocess.Popen(command, cwd=place, env={**os.environ, "PYTHONPATH": str(ROOT)})
    with watched(process.pid) as peak:
        failed = process.wait()
    if failed:
        sys.exit("error: train failed")
    (training,) = facts.read(place / paths.run_facts(DATASET))[f"train-{MODEL}"]["trainings"][MODEL]
    record(
        "train_500000_items",
        what="training DAE 200 on 500,000 items, softmax over a sample of 16,384, float32, batch 5,000",
        unit="users/s",
        digits=0,
        ours=training["users_per_second"],
        theirs=None,
        than=None,
        ratio=None,
        target=None,
        met=None,
        memory_gb=round(peak.command, 2),
        seconds_with_validation=training["seconds"],
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
