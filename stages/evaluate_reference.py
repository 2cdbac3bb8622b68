"""Measure a reference on the test users.

python -m stages.evaluate_reference --dataset ml-latest-small --reference ease
"""

from stages.assembly.rows import StoredRow, measure_rows
from stages.config.reader import read_params
from stages.interfaces.split import load_split
from stages.interfaces.weights import load_weights
from stages.references.build import build_reference
from stages.run import paths
from stages.run.command_line import Dataset, Reference, run


def evaluate_reference(dataset: Dataset, reference: Reference) -> None:
    """Write measurements of a reference, made on the CPU; it has no seeds and is fitted once."""
    params = read_params()
    settings = params.reference(reference)
    split = load_split(paths.split(dataset))
    model = build_reference(settings, split.train.shape[1])
    load_weights(model, paths.reference(dataset, reference), "fit")
    row = StoredRow(reference, 0, model, model.codec())
    measure_rows(dataset, "references", reference, iter([row]), split, params.evaluation.batch_size, {})


if __name__ == "__main__":
    run(evaluate_reference)
