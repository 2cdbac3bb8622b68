"""The published recipe in textbook PyTorch: NDCG@100 of its best epoch, to hold our models against on any split.

As the notebook of Liang et al. 2018 trains: Glorot weights, Adam at 1e-3, input dropout of one half; the DAE with L2 of
0.01, the VAE with a KL weight that rises to 0.2 over 200,000 steps. The epoch is chosen on the validation users.

python tests/benchmarks/recipe.py data/gowalla/split dae 50 250    hidden layers as in params.yaml: 200, 600-200-600
"""

import copy
import sys
from itertools import count
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import typer

sys.path.insert(0, str(Path(__file__).parents[2]))

from stages.interfaces.split import load_split
from stages.run.command_line import run
from tests.benchmarks import textbook

ANNEALING_STEPS = 200_000
KL_CAP = 0.2

Count = Annotated[int, typer.Argument(min=1)]


def main(folder: Path, kind: Literal["dae", "vae"], epochs: Count, batch_size: Count) -> None:
    """Train for as many epochs, and score the test users with the weights of the best one."""
    split, is_vae = load_split(folder), kind == "vae"
    model = textbook.build([600, 200, 600] if is_vae else [200], is_vae, split.train.shape[1])
    optimizer = textbook.optimizer_of(model, 0.0 if is_vae else 0.01, batch_size)
    kl_weights = (min(KL_CAP, step / ANNEALING_STEPS) for step in count())
    best, weights = -np.inf, model.state_dict()
    for epoch in range(epochs):
        batches = textbook.batches_of(split.train, batch_size, epoch)
        loss = np.mean(list(textbook.train(model, optimizer, batches, kl_weights=kl_weights)))
        ndcg = textbook.evaluate(model, split.validation, batch_size, textbook.NDCG)["ndcg@100"].mean()
        if ndcg > best:
            best, weights = ndcg, copy.deepcopy(model.state_dict())
        print(f"epoch {epoch + 1}  loss {loss:.2f}  validation NDCG@100 {ndcg:.4f} (best {best:.4f})", flush=True)
    model.load_state_dict(weights)
    test = textbook.evaluate(model, split.test, batch_size, textbook.NDCG)["ndcg@100"]
    print(f"test NDCG@100 {test.mean():.4f} of {len(test):,} users, at the best epoch")


if __name__ == "__main__":
    run(main)
