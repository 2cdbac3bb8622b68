"""Packages with drawn weights, and what ranks their items in the plainest way."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from stages.serving.package.package import Items, Package, Quantizer
from stages.serving.scoring.scorer import Top


def drawn_package(
    n_items: int,
    n_bytes: int = 5,
    kind: Literal["product", "residual"] = "residual",
    rotated: bool = False,
    codebooks: int | None = None,
    seed: int = 0,
) -> Package:
    """Of vectors of 20 dimensions (10 inner ones where rotated), with popular items, and residuals that shrink."""
    draws = np.random.default_rng(seed)
    inner, n_codebooks = (10 if rotated else 20), codebooks or n_bytes
    width = inner // n_codebooks if kind == "product" else inner
    shrink = 0.7 ** np.arange(n_codebooks)[:, None, None] if kind == "residual" else 1
    quantizer = Quantizer(
        kind,
        (draws.normal(size=(n_codebooks, 256, width)) * shrink).astype(np.float32),
        n_bytes,
        back=draws.normal(size=(inner, 20)).astype(np.float32) if rotated else None,
        mean=draws.normal(size=20).astype(np.float32) if rotated else None,
    )
    interactions = draws.integers(1, 20, n_items)
    items = Items(
        np.arange(n_items) * 3,
        None,
        draws.normal(size=(n_items, 20)).astype(np.float32),
        np.log(interactions).astype(np.float32),
        interactions,
    )
    return Package("drawn", "0" * 64, None, quantizer, items)


def drawn_codes(package: Package, n_users: int, seed: int = 1) -> np.ndarray:
    shape = n_users, package.quantizer.n_bytes
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def exact_scores(package: Package, codes: np.ndarray) -> np.ndarray:
    """float64 (n_users, n_items)."""
    vectors, items = package.quantizer.vectors().astype(np.float64), package.items
    decoded = package.quantizer.offset + sum(vectors[level, column] for level, column in enumerate(codes.T))
    return decoded @ items.weight.T.astype(np.float64) + items.bias


def check_ranked(top: Top, scores: np.ndarray, n: int, seen: Sequence[np.ndarray] | None) -> None:
    """Whether the lists are the best by the exact scores, up to the rounding of float32."""
    n_users, n_items = scores.shape
    assert top.items.dtype == np.int64
    assert top.scores.dtype == np.float32
    assert top.items.shape == top.scores.shape == (n_users, n)
    tolerance = 1e-5 * np.abs(scores).max(initial=0)
    for user in range(n_users):
        left_out = np.zeros(0, np.int64) if seen is None else np.unique(seen[user])
        kept = np.setdiff1d(np.arange(n_items), left_out)
        n_shown = min(n, len(kept))
        shown, found = top.items[user, :n_shown], top.scores[user, :n_shown]
        assert np.isin(shown, kept).all()
        assert len(set(shown)) == n_shown
        assert (top.items[user, n_shown:] == -1).all()
        assert np.isneginf(top.scores[user, n_shown:]).all()
        np.testing.assert_allclose(found, scores[user, shown], rtol=0, atol=tolerance)
        np.testing.assert_allclose(found, np.sort(scores[user, kept])[::-1][:n_shown], rtol=0, atol=tolerance)
        assert (np.diff(found) <= 0).all()
        tied = np.flatnonzero(np.diff(found) == 0)
        assert (shown[tied] < shown[tied + 1]).all()
