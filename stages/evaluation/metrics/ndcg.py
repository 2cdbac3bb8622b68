"""NDCG@100, the metric by which rows are compared."""

from functools import partial

from stages.evaluation.metrics.metric import Metric
from stages.ranking.ndcg import ndcg

METRICS = [Metric("ndcg@100", "NDCG@100", partial(ndcg, k=100))]
