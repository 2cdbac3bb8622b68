"""F1 of the set of the first k items and the set of held-out items."""

from functools import partial

from torch import Tensor

from stages.evaluation.metrics.metric import Metric


def f1(hits: Tensor, n_held_out: Tensor, k: int) -> Tensor:
    """2 · hits / (k + number of held-out items), the harmonic mean of precision and plain recall; see `Metric.of`."""
    return 2 * hits[:, :k].sum(1).double() / (k + n_held_out)


METRICS = [Metric("f1@20", "F1@20", partial(f1, k=20))]
