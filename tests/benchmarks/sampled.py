"""NDCG@100 of DAE 200 trained with the softmax over a sample of the items, against the softmax over all of them.

On Gowalla, whose 40,981 items both ways can take, with the seeds and values of its report; the sample is a tenth. Its
two files have to be in data/gowalla-public, as params.yaml says. The means of the test users go to
reports/performance.json.

python tests/benchmarks/sampled.py
"""

import os
import subprocess
import sys
from contextlib import chdir
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

import torch
from ruamel.yaml import YAML

sys.path.insert(0, str(Path(__file__).parents[2]))

from stages.config.reader import read_params
from stages.interfaces.split import load_split
from stages.models.build import load_model
from stages.ranking.evaluation import ndcg_of_users
from stages.run import paths
from tests.benchmarks.performance import record

DATASET, MODEL, SAMPLE = "gowalla", "dae-200", 4096
ROOT = Path(__file__).parents[2]


def main() -> None:
    exact, sampled = measured(10**6), measured(1)
    ratio = fmean(sampled) / fmean(exact)
    record(
        "sampled_softmax",
        what=f"NDCG@100 of DAE 200 on Gowalla, softmax over a sample of {SAMPLE:,} of 40,981 items",
        unit="",
        digits=4,
        ours=fmean(sampled),
        theirs=fmean(exact),
        than="softmax over all items",
        ratio=ratio,
        ratio_digits=3,
        target=None,
        met=None,
        runs={"ours": sampled, "theirs": exact},
    )


def measured(above: int) -> list[float]:
    """NDCG@100 of the test users, of each seed; above : items from which on they are sampled."""
    values = YAML().load(ROOT / "params.yaml")
    entry = values["datasets"][DATASET]
    entry["source"]["path"] = str(ROOT / entry["source"]["path"])
    values["training"]["sampled"] = {"above": above, "items": SAMPLE}
    with TemporaryDirectory() as name, chdir(name):
        YAML().dump(values, Path("params.yaml"))
        for stage, options in [("download", []), ("preprocess", []), ("train", ["--model", MODEL])]:
            command = [sys.executable, "-m", f"stages.{stage}", "--dataset", DATASET, *options]
            subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)
        params, split = read_params(), load_split(paths.split(DATASET))
        found = []
        for seed in params.seeds:
            path = paths.model(DATASET, MODEL, seed)
            network = load_model(params.trained(MODEL), len(split.items), path, torch.device("cpu"))
            found.append(
                float(ndcg_of_users(network, network.codec(), split.test, params.evaluation.batch_size).mean())
            )
        return found


if __name__ == "__main__":
    main()
