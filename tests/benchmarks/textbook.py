"""The same models in textbook PyTorch, and their evaluation in NumPy: dense rows and logits of all items.

As the notebook of Liang et al. 2018 and its PyTorch ports have it: each batch of sparse rows is made dense, the loss is
log_softmax over all items times the row, and the metrics are taken from NumPy matrices of users × items. Weights begin
as Glorot's and biases near zero, as there.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import pairwise, repeat
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parents[2]))

from stages.interfaces.split import HeldOutUsers, Split, load_split

Dropout = Callable[[Tensor], Tensor]
Metric = Callable[[np.ndarray, sparse.csr_matrix], np.ndarray]


def dropout(users: Tensor) -> Tensor:
    return functional.dropout(users, 0.5)


class Dae(nn.Module):
    def __init__(self, n_items: int, hidden: list[int]) -> None:
        super().__init__()
        widths = [n_items, *hidden, n_items]
        self.layers = nn.ModuleList(nn.Linear(width, following) for width, following in pairwise(widths))

    def forward(self, users: Tensor, drop: Dropout | None) -> tuple[Tensor, Tensor | float]:
        hidden = functional.normalize(users)
        if drop:
            hidden = drop(hidden)
        for layer in self.layers[:-1]:
            hidden = torch.tanh(layer(hidden))
        return self.layers[-1](hidden), 0.0


class Vae(nn.Module):
    def __init__(self, n_items: int, hidden: list[int]) -> None:
        super().__init__()
        wide, latent, _ = hidden
        self.encoder = nn.ModuleList([nn.Linear(n_items, wide), nn.Linear(wide, 2 * latent)])
        self.decoder = nn.ModuleList([nn.Linear(latent, wide), nn.Linear(wide, n_items)])

    def forward(self, users: Tensor, drop: Dropout | None) -> tuple[Tensor, Tensor | float]:
        hidden = functional.normalize(users)
        if drop:
            hidden = drop(hidden)
        mean, log_variance = self.encoder[1](torch.tanh(self.encoder[0](hidden))).chunk(2, dim=1)
        latent = mean
        if drop:
            latent = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
        kl = -0.5 * torch.mean(torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp(), dim=1))
        return self.decoder[1](torch.tanh(self.decoder[0](latent))), kl


def build(hidden: list[int], is_vae: bool, n_items: int) -> nn.Module:
    torch.manual_seed(0)
    model = Vae(n_items, hidden) if is_vae else Dae(n_items, hidden)
    for parameter in model.parameters():
        if parameter.ndim == 2:
            nn.init.xavier_uniform_(parameter)
        else:
            nn.init.trunc_normal_(parameter, std=0.001, a=-0.002, b=0.002)
    return model


def optimizer_of(model: nn.Module, l2: float, batch_size: int = 500, fused: bool = False) -> torch.optim.Optimizer:
    """Adam; l2 in Liang's convention, biases excluded."""
    weights = [parameter for parameter in model.parameters() if parameter.ndim == 2]
    biases = [parameter for parameter in model.parameters() if parameter.ndim == 1]
    groups = [{"params": weights, "weight_decay": 2 * l2 / batch_size}, {"params": biases, "weight_decay": 0.0}]
    return torch.optim.Adam(groups, lr=1e-3, fused=fused)


def batches_of(users: sparse.csr_array, batch_size: int, seed: int) -> Iterator[sparse.csr_array]:
    """All users once, in an order drawn by the seed."""
    order = np.random.default_rng(seed).permutation(users.shape[0])
    return (users[order[start : start + batch_size]] for start in range(0, len(order), batch_size))


def train(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Iterable[sparse.csr_array],
    drop: Dropout = dropout,
    kl_weights: Iterable[float] = repeat(0.1),
    autocast: bool = False,
) -> Iterator[float]:
    """Yield the loss of each batch; autocast takes what may be taken in bfloat16."""
    device = next(model.parameters()).device
    model.train()
    for batch, kl_weight in zip(batches, kl_weights, strict=False):
        users = torch.FloatTensor(batch.toarray()).to(device)
        optimizer.zero_grad()
        with torch.autocast(device.type, torch.bfloat16, enabled=autocast):
            logits, kl = model(users, drop)
        loss = -torch.mean(torch.sum(functional.log_softmax(logits.float(), 1) * users, -1)) + kl_weight * kl
        loss.backward()
        optimizer.step()
        yield loss.item()
    model.eval()


@torch.no_grad()
def embed(model: Dae, matrix: sparse.csr_array, batch_size: int) -> np.ndarray:
    """The last hidden layer of each user."""
    vectors = []
    for start in range(0, matrix.shape[0], batch_size):
        hidden = functional.normalize(torch.FloatTensor(matrix[start : start + batch_size].toarray()))
        for layer in model.layers[:-1]:
            hidden = torch.tanh(layer(hidden))
        vectors.append(hidden.numpy())
    return np.concatenate(vectors)


@torch.no_grad()
def evaluate(
    model: nn.Module, users: HeldOutUsers, batch_size: int, metrics: dict[str, Metric]
) -> dict[str, np.ndarray]:
    """The metrics of each user with something held out."""
    device = next(model.parameters()).device
    values: dict[str, list[np.ndarray]] = {name: [] for name in metrics}
    rows = np.flatnonzero(np.diff(users.held_out.indptr))
    for start in range(0, len(rows), batch_size):
        some = rows[start : start + batch_size]
        fold_in, held_out = sparse.csr_matrix(users.fold_in[some]), sparse.csr_matrix(users.held_out[some])
        scores = model(torch.FloatTensor(fold_in.toarray()).to(device), None)[0].cpu().numpy()
        scores[fold_in.nonzero()] = -np.inf
        for name, metric in metrics.items():
            values[name].append(metric(scores, held_out))
    return {name: np.concatenate(parts) for name, parts in values.items()}


def ndcg_binary_at_k_batch(scores: np.ndarray, held_out: sparse.csr_matrix, k: int) -> np.ndarray:
    everyone = np.arange(len(scores))[:, np.newaxis]
    unordered = np.argpartition(-scores, k, axis=1)[:, :k]
    order = np.argsort(-scores[everyone, unordered], axis=1)
    top = unordered[everyone, order]
    discounts = 1.0 / np.log2(np.arange(2, k + 2))
    hits: Any = held_out[everyone, top]
    gained = (hits.toarray() * discounts).sum(axis=1)
    best = np.array([discounts[: min(n, k)].sum() for n in held_out.getnnz(axis=1)])
    return gained / best


def recall_at_k_batch(scores: np.ndarray, held_out: sparse.csr_matrix, k: int) -> np.ndarray:
    everyone = np.arange(len(scores))[:, np.newaxis]
    top = np.argpartition(-scores, k, axis=1)[:, :k]
    predicted = np.zeros_like(scores, dtype=bool)
    predicted[everyone, top] = True
    wanted = (held_out > 0).toarray()
    found = np.logical_and(wanted, predicted).sum(axis=1).astype(np.float32)
    return found / np.minimum(k, wanted.sum(axis=1))


NDCG: dict[str, Metric] = {"ndcg@100": partial(ndcg_binary_at_k_batch, k=100)}
METRICS = NDCG | {f"recall@{k}": partial(recall_at_k_batch, k=k) for k in (20, 50)}


def main(folder: str, epochs: str) -> None:
    """Train DAE 200 from the files of a split, with a validation after each epoch."""
    for epoch, ndcg in enumerate(curve([200], 0.01, load_split(Path(folder)), int(epochs)), start=1):
        print(f"epoch {epoch}  NDCG@100 {ndcg:.4f}", flush=True)


def curve(
    hidden: list[int], l2: float, split: Split, epochs: int, fused: bool = False, autocast: bool = False
) -> Iterator[float]:
    """Train a DAE; validation NDCG@100 after each epoch."""
    model = build(hidden, False, split.train.shape[1])
    optimizer = optimizer_of(model, l2, fused=fused)
    for epoch in range(epochs):
        for _ in train(model, optimizer, batches_of(split.train, 500, epoch), autocast=autocast):
            pass
        yield float(evaluate(model, split.validation, 500, NDCG)["ndcg@100"].mean())


if __name__ == "__main__":
    main(*sys.argv[1:])
