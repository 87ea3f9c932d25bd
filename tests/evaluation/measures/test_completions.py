"""Masks, and the measures of completions."""

import numpy as np
import pytest

from evaluation.base.errors import UserError
from evaluation.measures.completions import MASKS, completion_measures, known_pixels


@pytest.mark.parametrize("mask", MASKS)
def test_masks_erase_the_part_they_name(mask):
    known = known_pixels(mask, 3, 28, 28, seed=1)
    assert known.shape == (3, 28, 28) and known.dtype == bool
    erased = {"right": 28 * 14, "left": 28 * 14, "random": 28 * 14, "centre": 14 * 14}[mask]
    assert ((~known).sum((1, 2)) == erased).all()
    rows, columns = np.nonzero(~known[0])
    low, high = {"right": (14, 27), "left": (0, 13), "random": (0, 27), "centre": (7, 20)}[mask]
    assert (columns.min(), columns.max()) == (low, high)
    assert (rows.min(), rows.max()) == ((7, 20) if mask == "centre" else (0, 27))
    assert (known[0] == known[1]).all() == (mask != "random")
    np.testing.assert_array_equal(known, known_pixels(mask, 3, 28, 28, seed=1))


def test_masks_of_odd_width_leave_the_middle_column_known():
    assert known_pixels("right", 1, 3, 5)[0].sum(1).tolist() == [3, 3, 3]
    assert known_pixels("left", 1, 3, 5)[0, 0].tolist() == [False, False, True, True, True]


def test_unknown_mask_is_refused():
    with pytest.raises(UserError, match="'top'"):
        known_pixels("top", 1, 4, 4)


def test_error_counts_unknown_pixels_only():
    x = np.random.default_rng(0).uniform(0.2, 0.8, (4, 12, 12, 3)).astype(np.float32)
    known = known_pixels("right", 4, 12, 12)
    same = completion_measures(x, x, known)
    assert same["mse"] == 0 and same["ssim"] == pytest.approx(1)
    off = x + np.where(known[..., None], 0.0, 0.1)
    measures = completion_measures(x, off, known)
    assert measures["mse"] == pytest.approx(0.01, rel=1e-5)
    assert 0.3 < measures["ssim"] < 1
