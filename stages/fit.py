"""Fit a reference, which has no seed and no epochs, on the train users.

python -m stages.fit --dataset ml-latest-small --reference ease
"""

from stages.config.reader import read_params
from stages.interfaces.split import load_split
from stages.interfaces.weights import save_state
from stages.references.build import build_reference
from stages.run import paths
from stages.run.command_line import Dataset, Reference, run
from stages.run.facts import recorded
from stages.run.files import whole_file


def fit(dataset: Dataset, reference: Reference) -> None:
    """Fit a reference on the CPU, and write its weights."""
    settings = read_params().reference(reference)
    split = load_split(paths.split(dataset))
    with recorded(dataset, f"fit-{reference}"):
        model = build_reference(settings, split.train.shape[1])
        model.fit(split.train)
        with whole_file(paths.reference(dataset, reference)) as temporary:
            save_state(model.state_dict(), temporary)


if __name__ == "__main__":
    run(fit)
