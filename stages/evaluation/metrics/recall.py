"""Recall as Liang et al. 2018 define it (§4.2 and their notebook)."""

from functools import partial

from torch import Tensor

from stages.evaluation.metrics.metric import Metric


def recall(hits: Tensor, n_held_out: Tensor, k: int) -> Tensor:
    """Number of held-out items among the first k, over min(k, number of held-out items); see `Metric.of`."""
    return hits[:, :k].sum(1).double() / n_held_out.clamp(max=k)


METRICS = [Metric(f"recall@{k}", f"Recall@{k}", partial(recall, k=k)) for k in (20, 50)]
