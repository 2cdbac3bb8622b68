"""Paths of settings and all artefacts, relative to the top of the repository."""

from pathlib import Path

PARAMS = Path("params.yaml")
PIPELINE = Path("dvc.yaml")
DATA = Path("data")
REPORTS = Path("reports")
RAW = "raw"


def raw(dataset: str, name: str) -> Path:
    """The raw ratings, a file or a folder of files; a user may put a file there by hand."""
    return DATA / dataset / RAW / name


def partial(dataset: str, name: str) -> Path:
    """An incomplete download; no DVC output, because DVC removes outputs before a stage runs."""
    return DATA / dataset / f"{name}.part"


def split(dataset: str) -> Path:
    """Folder of the split."""
    return DATA / dataset / "split"


def references(dataset: str) -> Path:
    """Folder of the references' weights."""
    return DATA / dataset / "references"


def reference(dataset: str, name: str) -> Path:
    """Weights of a reference."""
    return references(dataset) / f"{name}.pt"


def models(dataset: str, name: str) -> Path:
    """Folder of a model's weights, one file per seed."""
    return DATA / dataset / "models" / name


def model(dataset: str, name: str, seed: int) -> Path:
    """Weights of one seed of a model."""
    return models(dataset, name) / f"{seed}.pt"


def checkpoint(dataset: str, name: str, seed: int) -> Path:
    """Checkpoint of a training, finished or not; no DVC output, because DVC removes outputs before a stage runs."""
    return DATA / dataset / "checkpoints" / f"{name}-{seed}.pt"


def float_phase(dataset: str, fingerprint: str) -> Path:
    """Checkpoint of the float epochs that trainings have in common; no DVC output, for the same reason."""
    return DATA / dataset / "checkpoints" / f"float-{fingerprint[:16]}.pt"


def curves(dataset: str, name: str) -> Path:
    """Folder of a model's curve.csv: loss and validation NDCG@100 per seed and epoch."""
    return DATA / dataset / "curves" / name


def codecs(dataset: str, model: str) -> Path:
    """Folder of the quantizers fitted on a model after training: one folder per row, one file per seed."""
    return DATA / dataset / "codecs" / model


def codec(dataset: str, model: str, row: str, seed: int) -> Path:
    """The quantizer of one row, fitted on one seed of the model."""
    return codecs(dataset, model) / row / f"{seed}.npz"


def evaluations(dataset: str, group: str) -> Path:
    """Folder of all measurements of a group, a folder for each reference or model.

    Parameters
    ----------
    group : references, models, quantized (users quantized after training), items (item tables quantized), refits or
        budgets
    """
    return DATA / dataset / "evaluation" / group


def evaluation(dataset: str, group: str, name: str) -> Path:
    """Folder of a reference's or model's measurements: a folder per row; tables of all rows for refits and budgets."""
    return evaluations(dataset, group) / name


def item_codecs(dataset: str, model: str) -> Path:
    """Folder of the quantizers fitted on a model's item tables: one folder per variant, two files per seed."""
    return DATA / dataset / "item-codecs" / model


def refits(dataset: str, model: str) -> Path:
    """Folder of a model's refitted output layers: one folder per row, one file per seed."""
    return DATA / dataset / "refits" / model


def packages(dataset: str) -> Path:
    """Folder of the packages of all rows that are handed over."""
    return DATA / dataset / "packages"


def package(dataset: str, row: str) -> Path:
    """The package of one row, a folder that needs nothing else."""
    return packages(dataset) / row


def all_users(dataset: str) -> Path:
    """Folder of the stored users of all rows."""
    return DATA / dataset / "users"


def users(dataset: str, row: str) -> Path:
    """Folder of the users stored by one row: codes/part-*.parquet, and store/, which is looked up."""
    return all_users(dataset) / row


def served(dataset: str) -> Path:
    """Folder of the measurements through the codes of stores, a folder for each row.

    Not below those of `evaluations`, on which packages depend.
    """
    return DATA / dataset / "served"


def sweep(dataset: str, model: str) -> Path:
    """Folder of the finished trials of a model's sweeps, a folder for each sweep; no DVC output."""
    return DATA / dataset / "sweeps" / model


def study_result(dataset: str, fingerprint: str) -> Path:
    """Folder of what a study measured of one training, with its weights, or of one fit after it; no DVC output."""
    return DATA / dataset / "studies" / fingerprint


def study_table(dataset: str, study: str) -> Path:
    """The table of a study; its page is beside it."""
    return report(dataset) / "studies" / f"{study}.csv"


def report(dataset: str) -> Path:
    """Folder of the report."""
    return REPORTS / dataset


def run_facts(dataset: str) -> Path:
    """Run facts of all stages; in git, but no DVC output."""
    return report(dataset) / "run.md"
