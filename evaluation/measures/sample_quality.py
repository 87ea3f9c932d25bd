"""How good generated images are: distance to real images, precision and recall, variety, copies of training images.

All functions take vectors, (n, d): features (here the judge's penultimate activities), for `copies` pixels.
"""

from __future__ import annotations

import numpy as np

from evaluation.base.errors import UserError

NEIGHBOURS = 3  # k of improved precision and recall, as in its paper
DISTANCES_MB = 256  # of a block of distances
AROUND = 50  # training images that are the neighbourhood of a sample
COPY = 1 / 3  # a sample that is so much nearer to one of them than to all on average is its copy


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """The square of the Fréchet (2-Wasserstein) distance of the normal distributions with the moments of a and b.

    |mean_a - mean_b|² + tr(A + B - 2 (A^½ B A^½)^½) of a (n, d) and b (m, d): as the FID of Heusel et al. 2017, in
    other features; four times as high is twice as far. The root is taken of a symmetric matrix (scipy.linalg.eigh), so
    covariances of less than full rank are no problem.
    Raises UserError for fewer than two vectors.
    """
    a, b = _vectors(a, 2), _vectors(b, 2)
    covariance_a, covariance_b = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (a, b))
    root = _symmetric_root(covariance_a)
    cross = np.trace(_symmetric_root(root @ covariance_b @ root))
    shift = a.mean(axis=0) - b.mean(axis=0)
    return max(float(shift @ shift + np.trace(covariance_a) + np.trace(covariance_b) - 2.0 * cross), 0.0)


def _symmetric_root(matrix: np.ndarray) -> np.ndarray:
    from scipy.linalg import eigh

    values, vectors = eigh((matrix + matrix.T) / 2)
    return (vectors * np.sqrt(np.clip(values, 0.0, None))) @ vectors.T


def precision_and_recall(
    samples: np.ndarray, real: np.ndarray, k: int = NEIGHBOURS, *, real_reach: np.ndarray | None = None
) -> tuple[float, float]:
    """Improved precision and recall (Kynkäänniemi et al. 2019), both in percent, of samples (n, d) and real (m, d).

    Precision: the share of samples that lie in the ball around a real vector that reaches to its k-th nearest real
    neighbour. Recall: the same with the roles exchanged. `real_reach`: `reach(real, k)`, where it is known already.
    Raises UserError for k vectors or fewer.
    """
    from sklearn.metrics import pairwise_distances_chunked

    samples, real = _vectors(samples, k + 1), _vectors(real, k + 1)
    of_samples, of_real = reach(samples, k), reach(real, k) if real_reach is None else real_reach
    hit, met = [], np.zeros(len(real), bool)
    start = 0
    for distances in pairwise_distances_chunked(samples, real, working_memory=DISTANCES_MB):
        hit.append((distances <= of_real).any(axis=1))
        met |= (distances <= of_samples[start : start + len(distances), None]).any(axis=0)
        start += len(distances)
    return 100.0 * float(np.concatenate(hit).mean()), 100.0 * float(met.mean())


def reach(vectors: np.ndarray, k: int = NEIGHBOURS) -> np.ndarray:
    """(n,): the distance of each vector of (n, d) to the k-th nearest other one."""
    from sklearn.neighbors import NearestNeighbors

    # A vector is no neighbour of itself: kneighbors() without arguments leaves it out.
    return NearestNeighbors(n_neighbors=k).fit(_vectors(vectors, k + 1)).kneighbors()[0][:, -1]


def nearest_neighbour_distance(samples: np.ndarray) -> float:
    """Mean Euclidean distance of each sample (n, d) to its nearest other one: 0 for a model that repeats itself."""
    from sklearn.neighbors import NearestNeighbors

    return float(NearestNeighbors(n_neighbors=1).fit(_vectors(samples, 2)).kneighbors()[0].mean())


def copies(samples: np.ndarray, training: np.ndarray, around: int = AROUND) -> float:
    """Share, in percent, of samples (n, d) that are nearly one of the training vectors (m, d).

    A copy is at most a third as far from its nearest training vector as from the `around` nearest on average (the
    relative distance of Carlini et al. 2023, "Extracting training data from diffusion models"): an image that is as far
    from all of them, as a mean of several is, is none. With at most `around` vectors, all are the neighbourhood.
    Raises UserError for fewer than three training vectors.
    """
    from sklearn.neighbors import NearestNeighbors

    samples, training = np.asarray(samples, np.float32), np.asarray(training, np.float32)
    if len(training) < 3:
        raise UserError(f"{len(training)} training images given; copies are told from neighbours with at least 3")
    nearest = NearestNeighbors(n_neighbors=min(around, len(training)), algorithm="brute").fit(training)
    distances = nearest.kneighbors(samples)[0]
    return 100.0 * float(np.mean(distances[:, 0] <= COPY * distances.mean(axis=1)))


def _vectors(x: np.ndarray, at_least: int) -> np.ndarray:
    x = np.asarray(x, dtype=np.float64)
    if x.ndim != 2 or len(x) < at_least:
        raise UserError(f"features of shape {x.shape} given; expected (n, d) with at least {at_least} vectors")
    if not np.isfinite(x).all():
        raise UserError("features hold NaN or infinite values; the images or the judge are broken")
    return x
