"""Train variants of a model, and compare them on the validation users; finished trainings are not repeated.

python -m stages.commands.study --dataset ml-latest-small --study ablation

Writes reports/<dataset>/studies/<study>.csv and .md.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
import pandas as pd
import torch

from stages.assembly.sessions import fingerprint_of, float_phases, new_training, run_to_the_end
from stages.config.checks import check_split
from stages.config.params import Params, Recipe
from stages.config.reader import read_params
from stages.config.strict import Variant
from stages.interfaces.split import Split, load_split
from stages.models.autoencoder import in_variant
from stages.models.device import choose_device, describe
from stages.ranking.evaluation import ndcg_of_users
from stages.reporting.tables import markdown
from stages.reporting.wording import UNKNOWN, difference
from stages.run import paths
from stages.run.command_line import Dataset, Study, run
from stages.run.digests import checked, damaged
from stages.run.facts import recorded
from stages.run.files import whole_file, whole_folder
from stages.run.memory import keep_freed_memory
from stages.run.text import literal, one_line
from stages.statistics.bootstrap import Bootstrap

RESULT = "result.npz"  # of a training, in its folder
FACTS = ("seconds", "users_per_second")


class StudiedRow(NamedTuple):
    """One variant of the model, stored in one variant of its codes."""

    model_variant: str
    stored: Variant
    ndcg: np.ndarray
    """float64 (n_seeds, n_users), NDCG@100 of the validation users with held-out interactions."""
    trainings: list[dict[str, float]]
    """Run facts of each seed: seconds and users_per_second."""


def study(dataset: Dataset, study: Study) -> None:
    """Train every variant once per seed, and write a table of its NDCG@100 on the validation users."""
    params = read_params()
    variants = params.study_variants(study, dataset)
    split = load_split(paths.split(dataset))
    check_split(params, *split.train.shape, [params.studies[study].model])
    device = choose_device(params.device)
    keep_freed_memory()
    with recorded(dataset, f"study-{study}") as facts:
        facts |= describe(device) | {"precision": params.training.precision}
        rows = [
            row
            for name, recipe in variants.items()
            for row in _studied_rows(params, dataset, name, recipe, split, device)
        ]
        facts["trainings"] = {f"{study}: {row.model_variant}": row.trainings for row in rows}
    table = _table(rows, Bootstrap(params.report.bootstrap_resamples, params.report.bootstrap_seed))
    shown = table.assign(variant=table["variant"].map(literal))
    path = paths.report(dataset) / "studies" / f"{study}.md"
    page = [
        f"# {study}: variants of {params.studies[study].model} on {literal(params.dataset(dataset).title)}",
        "",
        markdown(shown),
        "",
        f"NDCG@100 on {rows[0].ndcg.shape[1]:,} validation users, means of seeds {', '.join(map(str, params.seeds))}; "
        "the difference is to the first variant that stores the same, with its 95 % confidence interval, from a "
        "bootstrap over users and seeds, paired by both. The test users were not looked at.",
        "",
    ]
    with whole_file(path.with_suffix(".csv")) as temporary:
        table.to_csv(temporary, index=False)
    with whole_file(path) as temporary:
        temporary.write_text("\n".join(page), encoding="utf-8")
    print(markdown(shown))
    print(path)


def _studied_rows(
    params: Params, dataset: str, name: str, recipe: Recipe, split: Split, device: torch.device
) -> Iterator[StudiedRow]:
    """The rows of all variants in which a model is stored; a training with an existing result is not repeated."""
    variants = recipe.settings.variants
    of_seeds: list[dict[str, np.ndarray]] = []
    trainings: list[dict[str, float]] = []
    for seed in params.seeds:
        fingerprint = fingerprint_of(params, dataset, recipe, seed, device)
        result = paths.study_result(dataset, fingerprint)
        if not result.exists():
            print(f"{one_line(name)}, seed {seed}", flush=True)
            training = new_training(params, dataset, recipe, seed, split, device)
            checkpoint = result.with_suffix(".checkpoint")
            phases = float_phases(params, dataset, recipe, seed, device)
            facts = run_to_the_end(training, checkpoint, fingerprint, params.training.checkpoint_epochs, phases)
            network = training.model
            network.load_state_dict(training.best_weights)
            codec = network.codec()
            ndcg = {
                str(variant): ndcg_of_users(
                    network, in_variant(codec, variant), split.validation, params.evaluation.batch_size
                )
                for variant in variants
            }
            with whole_folder(result) as folder:
                np.savez(folder / RESULT, allow_pickle=False, **{name: facts[name] for name in FACTS}, **ndcg)
            checkpoint.unlink(missing_ok=True)
        arrays = _read(result, split, [str(variant) for variant in variants])
        of_seeds.append(arrays)
        trainings.append({name: float(arrays[name]) for name in FACTS})
    for variant in variants:
        yield StudiedRow(name, variant, np.stack([ndcg[str(variant)] for ndcg in of_seeds]), trainings)


def _read(result: Path, split: Split, variants: list[str]) -> dict[str, np.ndarray]:
    """NDCG@100 of the scored validation users in each variant, and the run facts; UserError where it is damaged."""
    path, n_users = result / RESULT, len(split.validation.scored())
    with checked(path, "study") as file:
        try:
            with np.load(file) as archive:
                arrays = dict(archive)
        except (OSError, ValueError, EOFError, BadZipFile) as error:
            raise damaged(path, "is no result of a training", "study") from error
    expected = dict.fromkeys(FACTS, ()) | dict.fromkeys(variants, (n_users,))
    if {name: array.shape for name, array in arrays.items()} != expected:
        raise damaged(path, "is of other users or variants", "study")
    if not all(array.dtype.kind in "iuf" and np.isfinite(array).all() for array in arrays.values()):
        raise damaged(path, "holds more than finite numbers", "study")
    return arrays


def _table(rows: list[StudiedRow], bootstrap: Bootstrap) -> pd.DataFrame:
    base_of: dict[Variant, np.ndarray] = {}
    lines = []
    for name, variant, ndcg, _ in rows:
        base = base_of.setdefault(variant, ndcg)
        lines.append(
            {
                "variant": name,
                "stored": f"{variant} bytes" if isinstance(variant, int) else variant or "all",
                "NDCG@100": f"{ndcg.mean():.4f}",
                "difference (95 % CI)": UNKNOWN if base is ndcg else difference(*bootstrap.difference(ndcg, base)),
            }
        )
    return pd.DataFrame(lines)


if __name__ == "__main__":
    run(study)
