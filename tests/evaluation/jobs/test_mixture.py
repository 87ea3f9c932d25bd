"""The row of a plain Gaussian mixture, beside judged samples."""

from types import SimpleNamespace

import numpy as np
import pytest

from evaluation.jobs.judge import MIXTURE, REAL_TEST, Source, mixture_images, source_rows


def counting():
    """In place of a judge: how many images of each class it sees."""

    def measure(images, labels):
        assert len(images) == len(labels)
        return {f"class_{c}": n for c, n in enumerate(np.bincount(labels, minlength=10))}

    return SimpleNamespace(record={"seed": 0}, measure=measure)


def test_mixture_reference_has_all_classes():
    images, labels = mixture_images("digits", per_class=5, limit=40)
    assert images.shape == (50, 28, 28, 1)
    np.testing.assert_array_equal(np.bincount(labels), [5] * 10)


@pytest.mark.parametrize("counts", [{3: 20}, {0: 4, 8: 6}])
def test_every_row_has_as_many_images_of_each_class_as_the_samples(counts):
    """Beside 20 images of one class the mixture had 20 of every class: its Fréchet distance and recall were of more."""
    labels = np.concatenate([np.full(n, c) for c, n in counts.items()])
    source = Source(np.zeros((len(labels), 28, 28, 1), np.float32), labels, "mine")
    rows = source_rows("digits", [counting()], [source], mixture=True)
    for name in ("mine", REAL_TEST, MIXTURE):
        counted = [row for row in rows if row["model"] == name and row["metric"].startswith("class_")]
        seen = {int(row["metric"][6:]): row["value"] for row in counted}
        assert {c: n for c, n in seen.items() if n} == counts, name
