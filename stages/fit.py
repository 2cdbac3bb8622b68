"""Fit all references, which have no seeds and no epochs, on the train users.

python -m stages.fit --dataset ml-latest-small
"""

from stages.config.reader import read_params
from stages.interfaces.split import load_split
from stages.interfaces.weights import save_state
from stages.references.build import build_reference
from stages.run import paths
from stages.run.command_line import Dataset, run
from stages.run.facts import recorded
from stages.run.files import whole_folder


def fit(dataset: Dataset) -> None:
    """Fit the references on the CPU, and write their weights."""
    references = read_params().references
    split = load_split(paths.split(dataset))
    with recorded(dataset, "fit"), whole_folder(paths.references(dataset)) as folder:
        for name, settings in references.items():
            model = build_reference(settings, split.train.shape[1])
            model.fit(split.train)
            save_state(model.state_dict(), folder / f"{name}.pt")
            print(f"{name} is fitted", flush=True)


if __name__ == "__main__":
    run(fit)
