"""Precision of the first k items."""

from functools import partial

from torch import Tensor

from stages.evaluation.metrics.metric import Metric


def precision(hits: Tensor, n_held_out: Tensor, k: int) -> Tensor:  # noqa: ARG001
    """Number of held-out items among the first k, divided by k; see `Metric.of`."""
    return hits[:, :k].sum(1).double() / k


METRICS = [Metric("precision@20", "Precision@20", partial(precision, k=20))]
