"""The whole of params.yaml, and the look-ups that stages make in it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, TypeVar, Union

from pydantic import BeforeValidator, Discriminator, Field, Tag

from stages.config.dataset import DatasetSettings
from stages.config.model import (
    TRAINED,
    BottleneckSettings,
    DaeSettings,
    ModelOnDataset,
    ModelSettings,
    ReferenceSettings,
    RefitSettings,
    Search,
    SweepSettings,
    TrainedSettings,
    VectorsSettings,
)
from stages.config.quantizer import (
    EncoderSettings,
    ProductSettings,
    QuantizerSettings,
    ResidualSettings,
    quantizer_kinds,
)
from stages.config.rows import TABLES, ItemRow, Row
from stages.config.serving import ServingSettings
from stages.config.strict import CHOSEN_BY, Encoder, Family, Name, Names, Precision, Sizes, Strict, matching
from stages.config.study import AnyStudy, FitSettings, FitStudySettings
from stages.run.errors import UserError

if TYPE_CHECKING:
    AnyQuantizer = QuantizerSettings
else:
    # Made here and not beside the kinds, so that whatever kind is defined by now belongs to it.
    AnyQuantizer = Annotated[Union[quantizer_kinds()], Field(discriminator="kind")]  # noqa: UP007

Entry = TypeVar("Entry")


def _mapping_is_written(block: object) -> object:
    if block is None:
        raise ValueError("is empty; write {} for none")
    return block


def _all_or_list(names: object) -> str | None:
    return "list" if isinstance(names, list) else "all" if names == "all" else None


Entries = Annotated[dict[Name, Entry], BeforeValidator(_mapping_is_written)]
"""A block that may have no entries."""

AllOrNames = Annotated[
    Annotated[Literal["all"], Tag("all")] | Annotated[list[Name], Tag("list")],
    Discriminator(
        _all_or_list,
        custom_error_type="all_or_list",
        custom_error_message="must be all or a list of names under quantizers, [] for none",
    ),
]


class SampledSettings(Strict):
    """A softmax over a sample of the items, where there are too many for all."""

    above: Annotated[int, Field(ge=1)]
    """Catalogues with more items than this are sampled; up to it, the softmax is over all items."""
    items: Annotated[int, Field(ge=1)]
    """Items in the sample of a step, on average."""

    def of(self, n_items: int) -> int | None:
        """Items in a sample of so many; None where all are taken."""
        return self.items if n_items > self.above else None


class TrainingSettings(Strict):
    """What all trainings share."""

    precision: Precision
    """Where the data set has none of its own."""
    cooldown: Annotated[float, Field(ge=0, le=1)]
    """Last share of the epochs, over which the learning rate falls linearly to 0."""
    checkpoint_epochs: Annotated[int, Field(ge=1)]
    """A killed training goes on from the last multiple of this many epochs."""
    sampled: SampledSettings
    processes: Annotated[int, Field(ge=1)]
    """On this machine, that train a model together, each a share of the items in the first and the last layer."""


IN_NO_RESULT = {"checkpoint_epochs", "processes"}
"""Of `TrainingSettings`: no stage of dvc.yaml depends on them. Processes only add sums in another order."""


class ScaleSettings(Strict):
    """Where and how much is done at once; no result depends on it, except for a GPU's rounding."""

    engine: Literal["local", "ray"]
    """Who encodes users and recommends to them in parts: this process, or the workers of Ray."""
    address: Annotated[str, matching(r"auto|[^/\s]+:\d+", "auto, or host:port")] | None = None
    """host:port of a Ray cluster to which this machine belongs, or auto for the one that runs here; None starts one."""
    workers: Annotated[int, Field(ge=1)] = 1
    """Of Ray; each loads the package."""
    gpus_per_worker: Annotated[float, Field(ge=0)] = 0
    """Of Ray, for codes that are chosen by scores; all else runs on CPUs."""

    parts: Annotated[int, Field(ge=1, lt=2**15)]
    """Into how many the log is cut by user while it is preprocessed, one in memory at a time; 1 keeps all there."""


class EvaluationSettings(Strict):
    """What all evaluations share."""

    batch_size: Annotated[int, Field(ge=1)]
    """Users scored at once."""


class ReportSettings(Strict):
    """How the report writes numbers."""

    digits: Annotated[int, Field(ge=3, le=10)]
    """Decimals of the metrics in metrics.json."""
    bootstrap_resamples: Annotated[int, Field(ge=100)]
    """Of the test users, for confidence intervals."""
    bootstrap_seed: Annotated[int, Field(ge=0)]
    """Of the draws of users."""


class Recipe(NamedTuple):
    """How a model is trained on a data set."""

    settings: TrainedSettings
    """The model's entry, with what the data set changes in it."""
    epochs: int
    """Passes over the train users."""
    model: str
    """Its name under models."""
    warm_start: str | None = None
    """Copy of `data/<dataset>/` of an earlier run, where the training begins; None for weights that are drawn."""


class FittedVariant(NamedTuple):
    """A line of a study of fits."""

    model: str
    """Under models."""
    name: str
    """Of the variant; AS_IS for none."""
    recipe: Recipe
    """Of its training."""
    fit: FitSettings
    """Of its codes, after training."""


AS_IS = "as it is"
"""A model of a study without changes."""


class Params(Strict):
    """The whole of params.yaml."""

    run: Names
    """Under datasets; a plain `dvc repro` runs them."""
    datasets: Entries[DatasetSettings]
    """A catalogue: an entry costs nothing until `run` names it."""
    device: Literal["auto", "cpu", "cuda"]
    """auto is CUDA if there is one, else the CPU."""
    seeds: Annotated[list[Annotated[int, Field(ge=0, lt=2**31)]], Field(min_length=1)]
    """Of the trainings of every model: weights, order of users, dropout, noise."""
    scale: ScaleSettings
    training: TrainingSettings
    evaluation: EvaluationSettings
    references: Entries[ReferenceSettings]
    """Models without seed or epochs; a row each."""
    models: Entries[ModelSettings]
    """Trained once per seed; a row for each of their variants."""
    float_twins: Entries[str]
    """Model with a bottleneck → name of the float row that it is compared with."""
    quantized_models: Entries[AllOrNames]
    """Model → the quantizers that are fitted on its users after training."""
    quantized_items: Entries[Names]
    """Model → the quantizers that are fitted on its item tables as well."""
    quantizers: Entries[AnyQuantizer]
    """Rows <model>-<quantizer>, one for each variant."""
    refits: Entries[RefitSettings]
    """Model → how its output layer is trained on for some of its quantizers."""
    budgets: Entries[Sizes]
    """Model with a residual bottleneck → average bytes of codes that are longer for users with longer histories."""
    serving: ServingSettings
    """What is handed over to serve users."""
    studies: Entries[AnyStudy]
    """By hand: variants of a model, or of how its codes are fitted, compared on the validation users."""
    sweep: SweepSettings
    """By hand: the search for a model's learning rate and L2."""
    report: ReportSettings

    def check_names(self, names: Mapping[str, str]) -> None:
        """UserError where one of these names is not in params.yaml: option (dataset, model, study, row) → name."""
        blocks: dict[str, tuple[str, Mapping[str, object]]] = {
            "dataset": ("datasets", self.datasets),
            "model": ("models", self.models),
            "study": ("studies", self.studies),
            "row": ("serving.rows", dict.fromkeys(self.serving.rows)),
        }
        for option, name in names.items():
            _entry(*blocks[option], name)

    def rows(self) -> list[Row]:
        """All rows of a report, in the order of params.yaml."""
        references = [Row(reference) for reference in self.references]
        models = [row for model in self.models for row in self.rows_of(model)]
        return references + models + [row for model in self.quantized_models for row in self.quantized_rows_of(model)]

    def rows_of(self, model: str) -> list[Row]:
        """The rows of a model or reference as it is, for each variant and encoder; UserError where there is none."""
        if model in self.references:
            return [Row(model)]
        entry = self.model(model)
        bottleneck = entry.bottleneck if isinstance(entry, DaeSettings) else None
        encoders: list[Encoder] = bottleneck.encoder if bottleneck else ["nearest"]
        return [Row(model, None, variant, encoder) for variant in entry.variants for encoder in encoders]

    def serving_rows(self) -> list[Row]:
        """The rows that are handed over to serve users."""
        rows = {row.name: row for row in self.rows()}
        return [rows[name] for name in self.serving.rows]

    def has_codes(self, row: Row) -> bool:
        """Whether the row stores a code of product or residual codebooks, fitted in training or after it."""
        if row.quantizer is not None:
            return isinstance(self.quantizer(row.quantizer), ProductSettings | ResidualSettings)
        return self._bottleneck_of(row) is not None

    def quantizers_of(self, model: str) -> dict[str, QuantizerSettings]:
        """The quantizers fitted on the model's users after training; UserError where there are none."""
        names = _entry("quantized_models", self.quantized_models, model)
        return {name: entry for name, entry in self.quantizers.items() if names == "all" or name in names}

    def quantized_rows_of(self, model: str) -> list[Row]:
        """The rows of the model's quantizers, one for each variant and encoder; UserError where there are none.

        Of vectors from elsewhere codes are the nearest, as nothing says that a softmax of their scores means anything.
        """
        is_trained = self.is_trained(model)
        return [
            Row(model, name, variant, encoder)
            for name, entry in self.quantizers_of(model).items()
            for variant in entry.variants
            for encoder in entry.encoders
            if is_trained or encoder == "nearest"
        ]

    def item_quantizers_of(self, model: str) -> dict[str, QuantizerSettings]:
        """The quantizers fitted on the model's item tables; UserError where there are none."""
        return {name: self.quantizer(name) for name in _entry("quantized_items", self.quantized_items, model)}

    def item_rows(self) -> list[ItemRow]:
        """All rows of quantized item tables."""
        return [
            ItemRow(model, name, variant, tables)
            for model in self.quantized_items
            for name, entry in self.item_quantizers_of(model).items()
            for variant in entry.variants
            for tables in TABLES
        ]

    def family_of(self, row: Row) -> Family:
        """How the row stores users, by what the report groups its rows."""
        if row.quantizer is not None:
            return self.quantizer(row.quantizer).family
        if row.model in self.references:
            return self.references[row.model].family
        return self.model(row.model).family

    def stored_by(self, row: Row) -> str:
        """What the row stores per user in words, and how its codes are chosen, unless they are the nearest."""
        if row.quantizer is not None:
            stored = self.quantizer(row.quantizer).stored(row.variant, self.model(row.model).width)
        elif row.model in self.references:
            stored = self.references[row.model].stored()
        else:
            stored = self.model(row.model).stored(row.variant)
        return stored if row.encoder == "nearest" else f"{stored}, chosen by {CHOSEN_BY[row.encoder]}"

    def stored_by_items(self, row: ItemRow) -> str:
        """What the row stores per item in words."""
        output = self.stored_by(row.users)
        inputs = self.quantizer(row.quantizer).stored(row.variant, self.trained(row.model).hidden[0])
        both = output if output == inputs else f"{output} (output) and {inputs} (input)"
        return {
            "output": f"output table: {output}; input table: float32",
            "input": f"input table: {inputs}; output table: float32",
            "both": f"both tables: {both}",
            "users-too": f"both tables and users: {both}",
        }[row.tables]

    def float_twin_of(self, row: Row) -> Row | None:
        """The float row that a quantized row is compared with; None of a row that is not quantized.

        It is the first row of the model that was quantized after training, or the row that `float_twins` names.
        """
        if row.quantizer is not None:
            return self.rows_of(row.model)[0]
        twin = self.float_twins.get(row.model)
        return None if twin is None else next(other for other in self.rows() if other.name == twin)

    def post_hoc_twin_of(self, row: Row) -> Row | None:
        """The row that quantizes the float twin after training as the row's model does in training; None without."""
        twin, bottleneck = self.float_twin_of(row), self._bottleneck_of(row)
        if twin is None or bottleneck is None or twin.model not in self.quantized_models:
            return None
        quantizers = self.quantizers_of(twin.model)
        return next(
            (
                other
                for other in self.quantized_rows_of(twin.model)
                if (other.variant, other.encoder) == (row.variant, row.encoder)
                and bottleneck.matches(quantizers[str(other.quantizer)])
            ),
            None,
        )

    def plain_twin_of(self, row: Row) -> Row | None:
        """Of a row of residual codes fitted after training: that of PQ of as many bytes, fitted after it too; or None.

        PQ without rotation, of the same model, its codes chosen in the same way.
        """
        if row.quantizer is None or not isinstance(self.quantizer(row.quantizer), ResidualSettings):
            return None
        plain = {
            name
            for name, entry in self.quantizers_of(row.model).items()
            if isinstance(entry, ProductSettings) and entry.chunks == row.variant and not entry.rotation
        }
        rows = self.quantized_rows_of(row.model)
        return next((other for other in rows if other.quantizer in plain and other.encoder == row.encoder), None)

    def encoder_of(self, row: Row) -> EncoderSettings:
        """How the codes of a row are chosen by its encoder."""
        settings = self.quantizer(row.quantizer) if row.quantizer else self._bottleneck_of(row)
        return settings if isinstance(settings, EncoderSettings) else EncoderSettings()

    def refits_of(self, model: str) -> RefitSettings:
        """How the model's output layer is trained on; UserError where it is not."""
        return _entry("refits", self.refits, model)

    def budgets_of(self, model: str) -> list[int]:
        """Average bytes of the model's codes, falling; UserError where there are none."""
        return _entry("budgets", self.budgets, model)

    def seeds_of(self, model: str) -> list[int]:
        """Seeds of the model's trainings; references and vectors from elsewhere have the first by name only."""
        return self.seeds if self.is_trained(model) else self.seeds[:1]

    def is_trained(self, name: str) -> bool:
        """Whether it is a model, and not of vectors from elsewhere."""
        return name in self.models and not isinstance(self.models[name], VectorsSettings)

    def study_variants(self, study: str, dataset: str) -> dict[str, "Recipe"]:
        """The model of a study as on this data set, then each of its variants; UserError where one is unknown."""
        settings = _entry("studies", self.studies, study)
        base = self.recipe(dataset, settings.model)
        changed = {
            name: base._replace(settings=TRAINED.validate_python(entry))
            for name, entry in settings.entries(base.settings).items()
        }
        return {f"{settings.model}, {AS_IS}": base, **changed}

    def fit_variants(self, study: str, dataset: str) -> list[FittedVariant]:
        """The yardstick and the model of a study of fits as on this data set, then each of its variants."""
        settings = _entry("studies", self.studies, study)
        assert isinstance(settings, FitStudySettings), f"{study} is no study of fits"
        _, *recipes = self.study_variants(study, dataset).values()
        return [
            *(
                FittedVariant(model, AS_IS, self.recipe(dataset, model), FitSettings())
                for model in dict.fromkeys([settings.yardstick, settings.model])
            ),
            *(
                FittedVariant(settings.model, name, recipe._replace(epochs=change.epochs or recipe.epochs), change.fit)
                for (name, change), recipe in zip(settings.variants.items(), recipes, strict=True)
            ),
        ]

    def dataset(self, name: str) -> DatasetSettings:
        """The data set's entry; UserError where there is none."""
        return _entry("datasets", self.datasets, name)

    def recipe(self, dataset: str, model: str) -> "Recipe":
        """How a model is trained on a data set; UserError where one of them is not in params.yaml."""
        size = self.dataset(dataset)
        here = size.models.get(model, ModelOnDataset())
        epochs = here.epochs or size.training.epochs
        return Recipe(here.apply(self.trained(model)), epochs, model, here.warm_start)

    def precision(self, dataset: str) -> Precision:
        """Of trainings on the data set."""
        return self.dataset(dataset).training.precision or self.training.precision

    def search(self, dataset: str) -> Search:
        """Where a sweep on the data set searches, and with which seeds."""
        return self.dataset(dataset).sweep or self.sweep

    def model(self, name: str) -> ModelSettings:
        """The model's entry; UserError where there is none."""
        return _entry("models", self.models, name)

    def trained(self, name: str) -> TrainedSettings:
        """The entry of a model that is trained; UserError where there is none, or where its vectors are given."""
        entry = self.model(name)
        if isinstance(entry, VectorsSettings):
            raise UserError(
                f"'{name}' under models in params.yaml is of vectors from elsewhere, which no training makes"
            )
        return entry

    def reference(self, name: str) -> ReferenceSettings:
        """The reference's entry; UserError where there is none."""
        return _entry("references", self.references, name)

    def quantizer(self, name: str) -> QuantizerSettings:
        """The quantizer's entry; UserError where there is none."""
        return _entry("quantizers", self.quantizers, name)

    def _bottleneck_of(self, row: Row) -> BottleneckSettings | None:
        model = self.models.get(row.model)
        return model.bottleneck if row.quantizer is None and isinstance(model, DaeSettings) else None


def _entry(block: str, entries: Mapping[str, Entry], name: str) -> Entry:
    if name not in entries:
        raise UserError(f"params.yaml has no '{name}' under {block}; it has {', '.join(entries) or 'none'}")
    return entries[name]
