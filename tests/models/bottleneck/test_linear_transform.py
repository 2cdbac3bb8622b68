"""The linear map as part of a model."""

import numpy as np
import torch

from stages.codebooks.transform import Transform
from stages.models.bottleneck.linear_transform import LinearTransform

TRANSFORM = Transform(
    np.array([[2.0, 1.0], [0.0, 4.0]], np.float32), np.array([[0.5, -0.125], [0.0, 0.25]], np.float32)
)
VECTORS = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)


def fitted() -> LinearTransform:
    module = LinearTransform(2)
    module.set(TRANSFORM)
    return module


def test_it_maps_as_the_transform_that_it_took() -> None:
    np.testing.assert_array_equal(fitted()(torch.from_numpy(VECTORS)), TRANSFORM.apply(VECTORS))


def test_it_maps_back() -> None:
    np.testing.assert_array_equal(fitted().undo(fitted()(torch.from_numpy(VECTORS))), VECTORS)


def test_it_exports_the_transform_that_it_took() -> None:
    exported = fitted().export()
    np.testing.assert_array_equal(exported.into, TRANSFORM.into)
    np.testing.assert_array_equal(exported.back, TRANSFORM.back)
