"""How evenly codebooks are used."""

import numpy as np

from stages.evaluation.code_usage import CODES, code_usage


def test_usage_of_codes_all_alike_and_of_a_single_one() -> None:
    codes = np.stack([np.arange(CODES), np.zeros(CODES), np.arange(CODES) % 2], axis=1).astype(np.uint8)
    usage = code_usage(codes)
    assert usage["codebook"].tolist() == [1, 2, 3]
    np.testing.assert_allclose(usage["perplexity"], [256, 1, 2])
    assert usage["dead"].tolist() == [0, 255, 254]
