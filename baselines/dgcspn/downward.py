"""The pass downward through a DGC-SPN on a CPU, and the training step.

The flow of a node is the derivative of the log-density by the node's log-value, here times 2^70. The flows of a
layer's products replace the values of its sums. A position is visited once: counts, flow to the children, new weights.
Axes, scales and threads as in upward.py; a sum's flow is the sum of those of up to four products above it.
"""

from __future__ import annotations

import numpy as np

from baselines.dgcspn.blocks import at, combinations, count, drop, mix, powers, product, seed_noise, sum_of_patch
from baselines.dgcspn.compilation import kernel
from baselines.dgcspn.learning import FLOW, learn

NO_FLOW = np.float32(1e-18)  # less than this (1e-39 of the root's) is none: denormal numbers are slow
TINY = np.float32(1e-30)  # below every value but 0
LARGE = 1e38  # a float32; only shares of 0 have larger factors


@kernel
def root_down(top, weights, counts, exponents, highest, total, rows):
    """Replace the highest products by their flows; counts (R, C, S) are the root's."""
    _, columns, channels, images = top.shape
    factors = np.empty(images, np.float32)
    for r in rows:
        for c in range(columns):
            powers(exponents[r, c], highest, factors)
            for n in range(images):
                if total[n] > 0:
                    factor = np.float64(FLOW) * np.float64(factors[n]) / max(total[n], 1e-300)
                    factors[n] = np.float32(min(factor, LARGE))
                else:  # dropout has left out all that this image has a value in
                    factors[n] = np.float32(0)
            for i in range(channels):
                flow, weight = top[r, c, i], weights[r, c, i]
                count = np.float32(0)
                for n in range(images):
                    flow[n] *= weight * factors[n]
                    count += flow[n]
                counts[r, c, i] = count


@kernel
def _ratios(flows, row, column, step, zeros, values, out):
    """Flow of each sum divided by its value: the flows of the products above that it is part of, added up."""
    f0, f1 = at(flows, row, column, zeros), at(flows, row, column + step, zeros)
    f2, f3 = at(flows, row + step, column, zeros), at(flows, row + step, column + step, zeros)
    for j in range(out.shape[0]):
        x0, x1, x2, x3, v, y = f0[j], f1[j], f2[j], f3[j], values[j], out[j]
        for n in range(out.shape[1]):
            flow = (x0[n] + x1[n]) + (x2[n] + x3[n])
            y[n] = flow / max(v[n], TINY) if flow > NO_FLOW else np.float32(0)


@kernel
def _scale(products, exponents, above_exponents, factors):
    """Products in units of the sums' values."""
    bits = factors.view(np.int32)
    for n in range(factors.shape[0]):
        bits[n] = np.int32((127 + exponents[n] - above_exponents[n]) << 23)
    for i in range(products.shape[0]):
        row = products[i]
        for n in range(row.shape[0]):
            row[n] *= factors[n]


@kernel
def first_down(
    leaves, weights, moments, second, values, exponents, flows, step, pad_rows, pad_columns, rule, rate, steps,
    limit, key, rows,
):  # fmt: skip
    """New weights of the lowest sums. flows: of the products above, with their dilation and padding."""
    _, columns, children, sums = weights.shape
    kinds, images = leaves.shape[2:]
    ones, zeros = np.ones((kinds, images), np.float32), np.zeros((sums, images), np.float32)
    pairs = np.empty((2, kinds * kinds, images), np.float32)
    products, ratios = np.empty((children, images), np.float32), np.empty((sums, images), np.float32)
    counts, column = np.empty((children, sums), np.float32), np.empty(sums, np.float32)
    noise, limits = np.empty(((children + 1) // 2, images), np.uint32), np.empty(images, np.uint32)
    none, factors = np.zeros(images, np.int32), np.empty(images, np.float32)
    for r in rows:
        if limit > 0:
            seed_noise(noise, key, r)
        for c in range(columns):
            combinations(leaves, r, c, ones, pairs, products)
            if limit > 0:
                drop(products, noise, limit, limits)
            _scale(products, none, exponents[r, c], factors)
            _ratios(flows, r + pad_rows - step, c + pad_columns - step, step, zeros, values[r, c], ratios)
            count(weights[r, c], products, ratios, counts)
            learn(weights[r, c], counts, moments[r, c], second[r, c], column, rule, rate, images, steps)


@kernel
def upper_down(
    below, below_exponents, below_step, weights, moments, second, values, exponents, flows, step, pad_rows, pad_columns,
    rule, rate, steps, limit, key, rows,
):  # fmt: skip
    """New weights of sums, whose values are replaced by the flows of their products.

    below_step: dilation of these products; flows: of the products above, with their dilation and padding.
    """
    _, columns, children, sums = weights.shape
    images = below.shape[3]
    ones, zeros = np.ones((children, images), np.float32), np.zeros((sums, images), np.float32)
    products, ratios = np.empty((children, images), np.float32), np.empty((sums, images), np.float32)
    counts, column = np.empty((children, sums), np.float32), np.empty(sums, np.float32)
    noise, limits = np.empty(((children + 1) // 2, images), np.uint32), np.empty(images, np.uint32)
    none, own, factors = np.zeros(images, np.int32), np.empty(images, np.int32), np.empty(images, np.float32)
    for r in rows:
        if limit > 0:
            seed_noise(noise, key, r)
        for c in range(columns):
            product(below, r - below_step, c - below_step, below_step, ones, products)
            sum_of_patch(below_exponents, r - below_step, c - below_step, below_step, none, own)
            if limit > 0:
                drop(products, noise, limit, limits)
            _scale(products, own, exponents[r, c], factors)
            _ratios(flows, r + pad_rows - step, c + pad_columns - step, step, zeros, values[r, c], ratios)
            count(weights[r, c], products, ratios, counts)
            flow = values[r, c]
            mix(weights[r, c].T, ratios, flow)
            for i in range(children):
                x, y = flow[i], products[i]
                for n in range(images):
                    x[n] *= y[n]
            learn(weights[r, c], counts, moments[r, c], second[r, c], column, rule, rate, images, steps)
