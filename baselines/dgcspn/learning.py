"""New weights of the sums of one position, from expected counts."""

from __future__ import annotations

import numpy as np

from baselines.dgcspn.architecture import ADAM, SMALLEST
from baselines.dgcspn.compilation import kernel

FLOW = np.float32(2.0**70)  # of the root
EM, GRADIENT = 0, 1


@kernel
def learn(weights, counts, moments, second, column, rule, rate, images, steps):
    """New weights (children, sums) of one position; a column of weights sums to 1.

    counts: expected counts of the images, times `FLOW`. EM: w ← (1 - rate) w + rate · normalised counts. Gradient:
    Adam's step number `steps` on the mean log-density, for the logarithms of the weights before their softmax.
    """
    children, sums = weights.shape
    for j in range(sums):
        column[j] = np.float32(0)
    for i in range(children):
        for j in range(sums):
            column[j] += counts[i, j]
    if rule == EM:
        for j in range(sums):
            column[j] = rate / column[j] if column[j] > 0 else np.float32(0)
        for i in range(children):
            for j in range(sums):
                weights[i, j] = (np.float32(1) - rate) * weights[i, j] + column[j] * counts[i, j]
    else:
        mean = np.float32(1.0 / (np.float64(FLOW) * images))
        a, b = np.float32(ADAM[0]), np.float32(ADAM[1])
        first = np.float32(1.0 / (1.0 - ADAM[0] ** steps))
        other = np.float32(1.0 / (1.0 - ADAM[1] ** steps))
        for i in range(children):
            for j in range(sums):
                slope = (counts[i, j] - weights[i, j] * column[j]) * mean
                moments[i, j] = a * moments[i, j] + (np.float32(1) - a) * slope
                second[i, j] = b * second[i, j] + (np.float32(1) - b) * slope * slope
                move = rate * moments[i, j] * first / (np.sqrt(second[i, j] * other) + np.float32(ADAM[2]))
                weights[i, j] *= np.exp(move)
    normalize(weights, column)


@kernel
def normalize(weights, column):
    """Raise weights (children, sums) to the smallest that is allowed, and let each column sum to 1."""
    children, sums = weights.shape
    smallest = np.float32(SMALLEST / children)
    for j in range(sums):
        column[j] = np.float32(0)
    for i in range(children):
        for j in range(sums):
            weights[i, j] = max(weights[i, j], smallest)
            column[j] += weights[i, j]
    for j in range(sums):
        column[j] = np.float32(1) / column[j]
    for i in range(children):
        for j in range(sums):
            weights[i, j] *= column[j]
