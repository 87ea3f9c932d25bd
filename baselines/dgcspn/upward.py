"""The pass upward through a DGC-SPN on a CPU: one position for all images at a time.

Arrays have the axes rows, columns, channels, images (R, C, S, N), images contiguous. Values are linear: a node's value
is `values · 2^exponents`, with one exponent for each position and image, which puts the largest channel into
[2^30, 2^31). Each weight is at least 1e-10 / children, so the channels of a position differ by less than 1e13, and
products of four neither overflow nor vanish; powers of two cost neither a logarithm nor a rounding.

Every function on certain rows writes these alone, so that threads share a layer; results do not depend on the number
of threads. Products are never stored but for the highest: each position's are made where they are used.
"""

from __future__ import annotations

import numpy as np

from baselines.dgcspn.blocks import combinations, drop, mix, powers, product, rescale, seed_noise, sum_of_patch
from baselines.dgcspn.compilation import kernel


@kernel
def first_up(leaves, weights, above, above_exponents, limit, key, rows):
    """The lowest sums, of all combinations of leaves (H, W, L, N) in [0, 1] with an exponent of 0."""
    _, columns, children, _ = weights.shape
    kinds, images = leaves.shape[2:]
    ones = np.ones((kinds, images), np.float32)
    pairs = np.empty((2, kinds * kinds, images), np.float32)
    products = np.empty((children, images), np.float32)
    noise, limits = np.empty(((children + 1) // 2, images), np.uint32), np.empty(images, np.uint32)
    largest, factors = np.empty(images, np.int32), np.empty(images, np.float32)
    for r in rows:
        if limit > 0:
            seed_noise(noise, key, r)
        for c in range(columns):
            combinations(leaves, r, c, ones, pairs, products)
            if limit > 0:
                drop(products, noise, limit, limits)
            mix(weights[r, c], products, above[r, c])
            above_exponents[r, c][:] = 0
            rescale(above[r, c], above_exponents[r, c], largest, factors)


@kernel
def upper_up(below, below_exponents, weights, above, above_exponents, step, limit, key, rows):
    """Sums of 2×2 products of dilation `step` with full padding."""
    _, columns, children, _ = weights.shape
    images = below.shape[3]
    ones, zeros = np.ones((children, images), np.float32), np.zeros(images, np.int32)
    products = np.empty((children, images), np.float32)
    noise, limits = np.empty(((children + 1) // 2, images), np.uint32), np.empty(images, np.uint32)
    largest, factors = np.empty(images, np.int32), np.empty(images, np.float32)
    for r in rows:
        if limit > 0:
            seed_noise(noise, key, r)
        for c in range(columns):
            product(below, r - step, c - step, step, ones, products)
            sum_of_patch(below_exponents, r - step, c - step, step, zeros, above_exponents[r, c])
            if limit > 0:
                drop(products, noise, limit, limits)
            mix(weights[r, c], products, above[r, c])
            rescale(above[r, c], above_exponents[r, c], largest, factors)


@kernel
def top_up(below, below_exponents, weights, top, shares, exponents, step, pad_rows, pad_columns, rows):
    """The highest products (R, C, S, N), and what each position gives to the root: shares · 2^exponents, (R, C, N)."""
    _, columns, channels, _ = weights.shape
    images = below.shape[3]
    ones, zeros = np.ones((channels, images), np.float32), np.zeros(images, np.int32)
    largest, factors = np.empty(images, np.int32), np.empty(images, np.float32)
    for r in rows:
        for c in range(columns):
            products, share = top[r, c], shares[r, c : c + 1]
            product(below, r - pad_rows, c - pad_columns, step, ones, products)
            sum_of_patch(below_exponents, r - pad_rows, c - pad_columns, step, zeros, exponents[r, c])
            mix(weights[r, c], products, share)
            rescale(share, exponents[r, c], largest, factors)
            for i in range(channels):
                p = products[i]
                for n in range(images):
                    p[n] *= factors[n]


@kernel
def root_up(shares, exponents, highest, total):
    """The root's value, total · 2^highest (N,), from the positions' shares."""
    rows, columns, images = shares.shape
    highest[:] = exponents[0, 0]
    for r in range(rows):
        for c in range(columns):
            e = exponents[r, c]
            for n in range(images):
                highest[n] = max(highest[n], e[n])
    total[:] = 0.0
    factors = np.empty(images, np.float32)
    for r in range(rows):
        for c in range(columns):
            share = shares[r, c]
            powers(exponents[r, c], highest, factors)
            for n in range(images):
                total[n] += np.float64(share[n]) * np.float64(factors[n])
