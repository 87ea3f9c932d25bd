"""How good generated images are, in a feature space: distance to real images, precision and recall, variety.

All functions take feature vectors, (n, d); here those are the judge's penultimate activities.
"""

from __future__ import annotations

import numpy as np

from evaluation.errors import UserError

NEIGHBOURS = 3  # k of improved precision and recall, as in its paper


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Squared 2-Wasserstein distance of the normal distributions with the moments of a (n, d) and b (m, d).

    |mean_a - mean_b|² + tr(A + B - 2 (A^½ B A^½)^½), the FID of Heusel et al. 2017 in other features. The root is taken
    of a symmetric matrix (scipy.linalg.eigh), so covariances of less than full rank are no problem.
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


def precision_and_recall(samples: np.ndarray, real: np.ndarray, k: int = NEIGHBOURS) -> tuple[float, float]:
    """Improved precision and recall (Kynkäänniemi et al. 2019), both in percent, of samples (n, d) and real (m, d).

    Precision: the share of samples that lie in the ball around a real vector that reaches to its k-th nearest real
    neighbour. Recall: the same with the roles exchanged. Raises UserError for k vectors or fewer.
    """
    samples, real = _vectors(samples, k + 1), _vectors(real, k + 1)
    return _covered(samples, real, k), _covered(real, samples, k)


def _covered(queries: np.ndarray, manifold: np.ndarray, k: int) -> float:
    """Percent of the queries in any ball around a vector of the manifold with its k-th neighbour on the rim."""
    from sklearn.metrics import pairwise_distances_chunked
    from sklearn.neighbors import NearestNeighbors

    # A vector is no neighbour of itself: kneighbors() without arguments leaves it out.
    radii = NearestNeighbors(n_neighbors=k).fit(manifold).kneighbors()[0][:, -1]
    inside = pairwise_distances_chunked(
        queries, manifold, reduce_func=lambda distances, _: (distances <= radii).any(axis=1), working_memory=256
    )
    return 100.0 * float(np.concatenate(list(inside)).mean())


def nearest_neighbour_distance(samples: np.ndarray) -> float:
    """Mean Euclidean distance of each sample (n, d) to its nearest other one: 0 for a model that repeats itself."""
    from sklearn.neighbors import NearestNeighbors

    return float(NearestNeighbors(n_neighbors=1).fit(_vectors(samples, 2)).kneighbors()[0].mean())


def _vectors(x: np.ndarray, at_least: int) -> np.ndarray:
    x = np.asarray(x, dtype=np.float64)
    if x.ndim != 2 or len(x) < at_least:
        raise UserError(f"features of shape {x.shape} given; expected (n, d) with at least {at_least} vectors")
    if not np.isfinite(x).all():
        raise UserError("features hold NaN or infinite values; the images or the judge are broken")
    return x
