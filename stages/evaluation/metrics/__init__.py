"""All metrics of rows, in the order of metrics.json. To add a metric, add a module, and list it here."""

from stages.evaluation.metrics import f1, ndcg, precision, recall
from stages.evaluation.metrics.metric import Metric

METRICS: list[Metric] = [*ndcg.METRICS, *recall.METRICS, *precision.METRICS, *f1.METRICS]
