"""Fit a reference, which has no seed and no epochs, on the train users.

python -m stages.fit --dataset ml-latest-small --reference ease
"""

from stages.config.params import read_params
from stages.interfaces.split import load_split
from stages.models.build import build_reference, choose_device, describe, save_state
from stages.run import paths
from stages.run.command_line import Dataset, Reference, run
from stages.run.records import recorded


def fit(dataset: Dataset, reference: Reference) -> None:
    """Fit a reference and keep its weights."""
    params = read_params()
    split = load_split(paths.split(dataset))
    device = choose_device(params.device)
    with recorded(paths.record(dataset, f"fit-{reference}")) as record:
        record |= describe(device)
        model = build_reference(params.reference(reference), split.train.shape[1]).to(device)
        model.fit(split.train)
        with paths.whole_file(paths.reference(dataset, reference)) as temporary:
            save_state(model.state_dict(), temporary)


if __name__ == "__main__":
    run(fit)
