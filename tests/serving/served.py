"""A package, a split and a store, as a run leaves them in the current directory."""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from stages.interfaces.split import HeldOutUsers, Split, save_split
from stages.run import paths
from stages.serving.package.files import load_package, write_package
from stages.serving.package.manifest import Origin
from stages.serving.package.package import Items, Layer, Package
from stages.serving.store.store import write_store
from tests.damage import sealed
from tests.serving.scoring.packages import drawn_codes, drawn_package

DATASET, ROW = "ml-latest-small", "dae-200-opq-20x10"
N_USERS = 9
"""Four of train, two of validation, two of test, and one who is stored and not in the split."""
WITHOUT_CODE = 3
"""Place of the user who has none."""


class Served(NamedTuple):
    """What there is."""

    package: Package
    users: np.ndarray
    """(9,), their ids."""
    codes: np.ndarray
    """uint8 (9, 5), of the store."""
    histories: csr_array
    """(8, n_items) 0/1, train histories and fold-ins."""
    held_out: csr_array
    """(8, n_items) 0/1, of all but the first four."""


def drawn_encoder(n_items: int) -> list[Layer]:
    """Two layers."""
    draws = np.random.default_rng(0)

    def layer(inputs: int, outputs: int) -> Layer:
        weight, bias = draws.normal(size=(inputs, outputs)), draws.normal(size=outputs)
        return Layer(weight.astype(np.float32), bias.astype(np.float32), tanh=True)

    return [layer(n_items, 30), layer(30, 20)]


def leave_served(users: np.ndarray, ids: np.ndarray) -> Served:
    """With drawn weights, codes and histories.

    Parameters
    ----------
    users : (9,), ids
    ids : (n_items,), of the items; each has a title
    """
    drawn, draws, n_items = drawn_package(len(ids)), np.random.default_rng(3), len(ids)
    items = Items(
        ids, [f"Title of {item}" for item in ids], drawn.items.weight, drawn.items.bias, drawn.items.interactions
    )
    folder, split, store = paths.package(DATASET, ROW), paths.split(DATASET), paths.users(DATASET, ROW) / "store"
    for made in (folder, split, store):
        made.mkdir(parents=True)
    origin = Origin(data_set="Drawn", row=ROW, seed=0, data_sha256="0" * 64, parameters_sha256="1" * 64, ndcg=None)
    write_package(folder, origin, drawn_encoder(n_items), drawn.quantizer, items)
    package, codes = load_package(sealed(folder)), drawn_codes(drawn, N_USERS)
    liked = draws.random((N_USERS - 1, n_items))
    histories = csr_array((liked < 0.2).astype(np.float32))
    held_out = csr_array(((liked > 0.9) & (np.arange(N_USERS - 1) >= 4)[:, None]).astype(np.float32))
    validation, test = (HeldOutUsers(histories[part], held_out[part]) for part in (slice(4, 6), slice(6, 8)))
    ones = np.ones(N_USERS - 1, int), np.ones(n_items, int)
    save_split(split, Split(histories[:4], validation, test, users[:-1], ids), *ones, {})
    sealed(split / "train.npz")
    write_store(store, users, codes, np.arange(N_USERS) != WITHOUT_CODE, package.digest)
    return Served(package, users, codes, histories, held_out)
