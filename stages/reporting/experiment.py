"""What params.yaml says of the experiment that a report is on; no results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

from ruamel.yaml import YAML

from stages.config.dataset import Published, SplitSettings, SyntheticLogSource, SyntheticSource
from stages.config.model import VaeSettings
from stages.config.params import IN_NO_RESULT, Params
from stages.config.study import FitStudySettings
from stages.run.text import one_line

RECIPE = {
    "learning_rate": "learning rate",
    "l2": "L2",
    "epochs": "epochs",
    "start": "start of the codebooks",
    "warm_start": "begun from the weights in",
}
"""Fields of `ModelOnDataset` → their names in the report."""


@dataclass(frozen=True)
class Experiment:
    """Data set, seeds and settings."""

    dataset: str
    title: str
    """Of the data set, for people; on one line."""
    caution: str
    """The report's first line, on one line; empty for none."""
    is_made_up: bool
    """Whether the ratings are synthetic."""
    compare_with_paper: bool
    """Whether the paper's Table 1 was measured on this data set."""
    published: Published | None
    """What the split has to be, where that is known."""
    split: SplitSettings
    """How the ratings were filtered and split."""
    seeds: Sequence[int]
    """Of the trainings."""
    quantizer_seeds: Mapping[str, int] = field(default_factory=dict)
    """Quantizer → its seed, where it has one."""
    latent_bytes: Mapping[str, int] = field(default_factory=dict)
    """VAE → bytes of its latent in float32."""
    item_bytes: Mapping[str, int] = field(default_factory=dict)
    """Model with quantized item tables → bytes per item of both tables in float32."""
    studies: Mapping[str, str] = field(default_factory=dict)
    """Study → its model."""
    fit_studies: Sequence[str] = ()
    """Those of them that are of fits after training."""
    recipes: Mapping[str, Mapping[str, float | str]] = field(default_factory=dict)
    """Model that is trained in a way of its own on this data set → the settings that differ, in words."""
    parameters: str = ""
    """The settings that decide the results, as YAML."""


def describe(params: Params, dataset: str) -> Experiment:
    """The experiment of one data set; UserError where params.yaml has no such data set."""
    settings = params.dataset(dataset)
    others = dict.fromkeys(("run", "datasets", "report", "scale", "sweep"), True)
    parameters = {
        "datasets": {dataset: settings.model_dump(exclude_none=True)},
        **params.model_dump(exclude={**others, "training": IN_NO_RESULT}, exclude_none=True),
    }
    return Experiment(
        dataset=dataset,
        title=one_line(settings.title),
        caution=one_line(settings.caution),
        is_made_up=isinstance(settings.source, SyntheticSource | SyntheticLogSource),
        compare_with_paper=settings.compare_with_paper,
        published=settings.published,
        split=settings.split,
        seeds=params.seeds,
        quantizer_seeds={name: entry.seed for name, entry in params.quantizers.items() if hasattr(entry, "seed")},
        latent_bytes={
            name: 4 * model.hidden[len(model.hidden) // 2]
            for name, model in params.models.items()
            if isinstance(model, VaeSettings)
        },
        item_bytes={name: bytes_per_item(params, name) for name in params.quantized_items},
        studies={name: study.model for name, study in params.studies.items()},
        fit_studies=[name for name, study in params.studies.items() if isinstance(study, FitStudySettings)],
        recipes={
            name: {RECIPE[setting]: value for setting, value in changed.items()}
            for name, recipe in settings.models.items()
            if (changed := recipe.model_dump(exclude_none=True))
        },
        parameters=_yaml(parameters),
    )


def bytes_per_item(params: Params, model: str) -> int:
    """Of both item tables in float32: a row of the encoder's first layer, and one of the decoder's last."""
    hidden = params.trained(model).hidden
    return 4 * (hidden[0] + hidden[-1])


def _yaml(content: dict[str, Any]) -> str:
    yaml, stream = YAML(), StringIO()
    yaml.dump(content, stream)
    return stream.getvalue().rstrip()
