"""Measures of sample quality against closed forms and brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from evaluation.base.errors import UserError
from evaluation.measures import sample_quality
from evaluation.measures.sample_quality import (
    copies,
    frechet_distance,
    nearest_neighbour_distance,
    precision_and_recall,
    reach,
)


def cloud(seed, n=60, d=4, shift=0.0, scale=1.0):
    return np.random.default_rng(seed).normal(shift, scale, (n, d))


def test_frechet_distance_in_one_dimension():
    a, b = cloud(0, d=1, scale=1.0), cloud(1, d=1, shift=3.0, scale=2.0)
    expected = (a.mean() - b.mean()) ** 2 + (a.std(ddof=1) - b.std(ddof=1)) ** 2
    assert frechet_distance(a, b) == pytest.approx(expected)


def test_frechet_distance_against_the_matrix_root():
    a, b = cloud(2), cloud(3) @ cloud(4, n=4)
    covariances = [np.cov(x, rowvar=False) for x in (a, b)]
    cross = np.trace(sqrtm(covariances[0] @ covariances[1]).real)
    expected = np.sum((a.mean(0) - b.mean(0)) ** 2) + sum(np.trace(c) for c in covariances) - 2 * cross
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.floats(-5, 5))
def test_frechet_distance_of_a_shift_is_its_square_and_symmetric(seed, shift):
    a = cloud(seed)
    assert frechet_distance(a, a + shift) == pytest.approx(4 * shift**2, abs=1e-6)
    b = cloud(seed + 1, scale=2.0)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-6)


def test_dead_features_do_not_matter():
    a, b = cloud(5), cloud(6)
    padded = [np.hstack([x, np.zeros((len(x), 3))]) for x in (a, b)]
    assert frechet_distance(*padded) == pytest.approx(frechet_distance(a, b), rel=1e-6)


def brute_force_cover(queries, manifold, k):
    def distance(x, y):
        return np.linalg.norm(x[:, None] - y[None], axis=2)

    radii = np.sort(distance(manifold, manifold), axis=1)[:, k]  # column 0 is the vector itself
    return 100 * np.mean([np.any(row <= radii) for row in distance(queries, manifold)])


@pytest.mark.parametrize("shift", [0.0, 1.0, 20.0])
def test_precision_and_recall_against_brute_force(shift):
    samples, real = cloud(7, n=50, shift=shift, scale=0.7), cloud(8, n=80)
    precision, recall = precision_and_recall(samples, real)
    assert precision == pytest.approx(brute_force_cover(samples, real, 3))
    assert recall == pytest.approx(brute_force_cover(real, samples, 3))


def test_blocks_of_distances_and_a_known_reach_change_nothing(monkeypatch):
    samples, real = cloud(7, n=700, scale=0.7), cloud(8, n=300)
    whole = precision_and_recall(samples, real)
    assert 0 < whole[0] < 100 and 0 < whole[1] < 100
    monkeypatch.setattr(sample_quality, "DISTANCES_MB", 1)  # 436 rows
    assert precision_and_recall(samples, real) == whole
    assert precision_and_recall(samples, real, real_reach=reach(real)) == whole
    assert precision_and_recall(samples, real, real_reach=np.zeros(300))[0] == 0


def test_one_good_image_repeated_is_precise_and_covers_nothing():
    real = cloud(9, n=200)
    samples = np.repeat(real[:1], 100, axis=0)
    precision, recall = precision_and_recall(samples, real)
    assert precision == 100
    assert recall < 2
    assert nearest_neighbour_distance(samples) == 0
    assert nearest_neighbour_distance(real) > 0.1


def test_noise_off_the_manifold_of_real_vectors_has_no_precision():
    def on_the_plane(seed):
        return np.hstack([cloud(seed, n=200, d=2), np.zeros((200, 4))])

    real, noise = on_the_plane(11), cloud(12, n=200, d=6)
    assert precision_and_recall(noise, real)[0] < 10
    assert precision_and_recall(on_the_plane(13), real)[0] > 80


def test_real_against_itself_is_perfect():
    real = cloud(10)
    assert precision_and_recall(real, real) == (100, 100)
    assert frechet_distance(real, real) == pytest.approx(0, abs=1e-9)


def test_nearest_neighbour_distance_of_a_line():
    assert nearest_neighbour_distance(np.array([[0.0], [1.0], [3.0], [7.0]])) == pytest.approx((1 + 1 + 2 + 4) / 4)


def test_too_few_or_broken_features_are_refused():
    with pytest.raises(UserError, match="at least 4"):
        precision_and_recall(cloud(0, n=3), cloud(1))
    with pytest.raises(UserError, match="NaN"):
        frechet_distance(cloud(0), np.full((5, 4), np.nan))


@pytest.mark.parametrize(("k", "shift"), [(3, 0.0), (3, 1.0), (5, 0.5), (1, 2.0)])
def test_precision_and_recall_are_those_of_prdc(k, shift):
    """Against the package of Naeem et al. 2020, in the development extra."""
    prdc = pytest.importorskip("prdc")
    samples, real = cloud(20, n=150, d=6, shift=shift, scale=0.8), cloud(21, n=220, d=6)
    expected = prdc.compute_prdc(real_features=real, fake_features=samples, nearest_k=k)
    found = precision_and_recall(samples, real, k)
    assert found == pytest.approx((100 * expected["precision"], 100 * expected["recall"]))
    assert 0 < found[0] < 100 or 0 < found[1] < 100


def test_copies_are_told_from_new_samples_and_from_means():
    training, new = cloud(0, n=300, d=30), cloud(1, n=80, d=30)
    assert copies(training[:50], training) == 100
    assert copies(training[:50] + cloud(2, n=50, d=30, scale=0.05), training) == 100
    assert copies(new, training) == 0
    means = np.array([training[i : i + 20].mean(0) for i in range(0, 300, 20)])  # near to all, and a copy of none
    assert copies(means, training) == 0
    assert copies(np.concatenate([training[:20], new]), training) == 20


def test_copies_against_brute_force():
    training, samples = cloud(0, n=12, d=3), np.concatenate([cloud(1, n=40, d=3), cloud(2, n=20, d=3, scale=0.3)])
    distances = np.sort(np.linalg.norm(samples[:, None] - training[None], axis=2), axis=1)
    for around in (5, 12, 50):
        expected = 100 * np.mean(distances[:, 0] <= distances[:, :around].mean(1) / 3)
        assert 0 < expected < 100
        assert copies(samples, training, around) == pytest.approx(expected)
    with pytest.raises(UserError, match="2 training images given"):
        copies(samples, training[:2])
