"""What the passes of a DGC-SPN do at one position: products of small matrices, patches, scales, dropout.

All arrays have the images (N) last and contiguous; channels (S) come before.
"""

from __future__ import annotations

import numpy as np

from baselines.dgcspn.compilation import kernel

LARGEST = 30  # the largest channel of a position is in [2^30, 2^31)


@kernel
def mix(weights, values, out):
    """out[j, n] = Σ_i weights[i, j] · values[i, n]; eight rows and two sums at a time."""
    children, sums = weights.shape
    images = values.shape[1]
    whole, pairs = children & -8, sums & -2
    for i in range(0, children - 7, 8):
        p0, p1, p2, p3 = values[i], values[i + 1], values[i + 2], values[i + 3]
        p4, p5, p6, p7 = values[i + 4], values[i + 5], values[i + 6], values[i + 7]
        for j in range(0, sums - 1, 2):
            x, y = out[j], out[j + 1]
            a0, a1, a2, a3 = weights[i, j], weights[i + 1, j], weights[i + 2, j], weights[i + 3, j]
            a4, a5, a6, a7 = weights[i + 4, j], weights[i + 5, j], weights[i + 6, j], weights[i + 7, j]
            k = j + 1
            b0, b1, b2, b3 = weights[i, k], weights[i + 1, k], weights[i + 2, k], weights[i + 3, k]
            b4, b5, b6, b7 = weights[i + 4, k], weights[i + 5, k], weights[i + 6, k], weights[i + 7, k]
            if i == 0:
                x[:] = np.float32(0)
                y[:] = np.float32(0)
            for n in range(images):
                x[n] += (
                    a0 * p0[n]
                    + a1 * p1[n]
                    + a2 * p2[n]
                    + a3 * p3[n]
                    + a4 * p4[n]
                    + a5 * p5[n]
                    + a6 * p6[n]
                    + a7 * p7[n]
                )
                y[n] += (
                    b0 * p0[n]
                    + b1 * p1[n]
                    + b2 * p2[n]
                    + b3 * p3[n]
                    + b4 * p4[n]
                    + b5 * p5[n]
                    + b6 * p6[n]
                    + b7 * p7[n]
                )
    for j in range(sums):
        start = whole if j < pairs else 0
        x = out[j]
        if start == 0:
            x[:] = np.float32(0)
        for i in range(start, children):
            weight, p0 = weights[i, j], values[i]
            for n in range(images):
                x[n] += weight * p0[n]


@kernel
def count(weights, values, ratios, counts):
    """counts[i, j] = weights[i, j] · Σ_n values[i, n] · ratios[j, n]; four by four at a time."""
    children, sums = counts.shape
    images = values.shape[1]
    rows, columns = children & -4, sums & -4
    zero = np.float32(0)
    for i in range(0, rows, 4):
        p0, p1, p2, p3 = values[i], values[i + 1], values[i + 2], values[i + 3]
        for j in range(0, columns, 4):
            q0, q1, q2, q3 = ratios[j], ratios[j + 1], ratios[j + 2], ratios[j + 3]
            a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = c0 = c1 = c2 = c3 = d0 = d1 = d2 = d3 = zero
            for n in range(images):
                x0, x1, x2, x3 = p0[n], p1[n], p2[n], p3[n]
                y0, y1, y2, y3 = q0[n], q1[n], q2[n], q3[n]
                a0, a1, a2, a3 = a0 + x0 * y0, a1 + x0 * y1, a2 + x0 * y2, a3 + x0 * y3
                b0, b1, b2, b3 = b0 + x1 * y0, b1 + x1 * y1, b2 + x1 * y2, b3 + x1 * y3
                c0, c1, c2, c3 = c0 + x2 * y0, c1 + x2 * y1, c2 + x2 * y2, c3 + x2 * y3
                d0, d1, d2, d3 = d0 + x3 * y0, d1 + x3 * y1, d2 + x3 * y2, d3 + x3 * y3
            counts[i, j], counts[i, j + 1], counts[i, j + 2], counts[i, j + 3] = a0, a1, a2, a3
            counts[i + 1, j], counts[i + 1, j + 1], counts[i + 1, j + 2], counts[i + 1, j + 3] = b0, b1, b2, b3
            counts[i + 2, j], counts[i + 2, j + 1], counts[i + 2, j + 2], counts[i + 2, j + 3] = c0, c1, c2, c3
            counts[i + 3, j], counts[i + 3, j + 1], counts[i + 3, j + 2], counts[i + 3, j + 3] = d0, d1, d2, d3
    for i in range(children):
        for j in range(columns if i < rows else 0, sums):
            p0, q0 = values[i], ratios[j]
            total = zero
            for n in range(images):
                total += p0[n] * q0[n]
            counts[i, j] = total
        for j in range(sums):
            counts[i, j] *= weights[i, j]


@kernel
def at(values, row, column, outside):
    """The position's array, or `outside` where there is no such position."""
    if 0 <= row < values.shape[0] and 0 <= column < values.shape[1]:
        return values[row, column]
    return outside


@kernel
def product(below, row, column, step, outside, out):
    """The product of the 2×2 patch whose corners are (row, column) and (row + step, column + step)."""
    p0, p1 = at(below, row, column, outside), at(below, row, column + step, outside)
    p2, p3 = at(below, row + step, column, outside), at(below, row + step, column + step, outside)
    for i in range(out.shape[0]):
        x0, x1, x2, x3, y = p0[i], p1[i], p2[i], p3[i], out[i]
        for n in range(out.shape[1]):
            y[n] = (x0[n] * x1[n]) * (x2[n] * x3[n])


@kernel
def sum_of_patch(array, row, column, step, outside, out):
    """The sum over the same positions as in `product`, of arrays (N,)."""
    p0, p1 = at(array, row, column, outside), at(array, row, column + step, outside)
    p2, p3 = at(array, row + step, column, outside), at(array, row + step, column + step, outside)
    for n in range(out.shape[0]):
        out[n] = np.int32(p0[n] + p1[n] + p2[n] + p3[n])


@kernel
def combinations(leaves, row, column, outside, pairs, out):
    """All products of one leaf of each pixel of the patch (row - 1, column - 1) … (row, column): channel
    c00 + L·c01 + L²·c10 + L³·c11, an outer product of the patch's rows' two pairs."""
    kinds = leaves.shape[2]
    for half in range(2):
        left = at(leaves, row - 1 + half, column - 1, outside)
        right = at(leaves, row - 1 + half, column, outside)
        for a in range(kinds):
            for b in range(kinds):
                x, y, z = left[a], right[b], pairs[half, a + kinds * b]
                for n in range(x.shape[0]):
                    z[n] = x[n] * y[n]
    width = kinds * kinds
    for b in range(width):
        y = pairs[1, b]
        for a in range(width):
            x, z = pairs[0, a], out[a + width * b]
            for n in range(x.shape[0]):
                z[n] = x[n] * y[n]


@kernel
def rescale(values, exponents, largest, factors):
    """Put the largest channel of each image into [2^30, 2^31), and the power of two into its exponent."""
    bits = values.view(np.int32)  # of positive floats: ordered as they are
    largest[:] = 0
    for j in range(values.shape[0]):
        row = bits[j]
        for n in range(row.shape[0]):
            largest[n] = max(largest[n], row[n])
    powers = factors.view(np.int32)
    for n in range(largest.shape[0]):
        shift = min(max(np.int32(127 + LARGEST - (largest[n] >> 23)), np.int32(-126)), np.int32(126))
        exponents[n] = np.int32(exponents[n] - shift)
        powers[n] = np.int32((127 + shift) << 23)
    for j in range(values.shape[0]):
        row = values[j]
        for n in range(row.shape[0]):
            row[n] *= factors[n]


@kernel
def _hash(x):
    """32 well-mixed bits."""
    x = np.uint32(x ^ (x >> np.uint32(16)))
    x = np.uint32(x * np.uint32(0x7FEB352D))
    x = np.uint32(x ^ (x >> np.uint32(15)))
    x = np.uint32(x * np.uint32(0x846CA68B))
    return np.uint32(x ^ (x >> np.uint32(16)))


@kernel
def seed_noise(noise, key, row):
    """Start the generators of a row of positions, one for two channels of an image: (channels / 2, N) uint32."""
    start = _hash(np.uint32(key + np.uint32(row) * np.uint32(0x9E3779B9)))
    for i in range(noise.shape[0]):
        for n in range(noise.shape[1]):
            lane = np.uint32(i * noise.shape[1] + n)
            noise[i, n] = np.uint32(_hash(np.uint32(start + lane * np.uint32(0x85EBCA6B))) | np.uint32(1))


@kernel
def _next(x):
    """The generator's step (xorshift)."""
    x = np.uint32(x ^ (x << np.uint32(13)))
    x = np.uint32(x ^ (x >> np.uint32(17)))
    return np.uint32(x ^ (x << np.uint32(5)))


@kernel
def drop(values, noise, limit, limits):
    """Set a channel to 0 where its 16 bits of noise are below `limit`, but for the channel with the most noise."""
    channels, images = values.shape
    if (limit / 65536.0) ** channels < 1e-14:  # so many that one stays anyway
        limits[:] = limit
        for i in range(channels >> 1):
            row, low, high = noise[i], values[2 * i], values[2 * i + 1]
            for n in range(images):
                x = _next(row[n])
                row[n] = x
                low[n] = low[n] if np.uint32(x & np.uint32(0xFFFF)) >= limit else np.float32(0)
                high[n] = high[n] if np.uint32(x >> np.uint32(16)) >= limit else np.float32(0)
        start = channels & -2
    else:
        limits[:] = 0
        for i in range(channels):
            row, shift = noise[i >> 1], np.uint32(16 * (i & 1))
            for n in range(images):
                if i & 1 == 0:
                    row[n] = _next(row[n])
                limits[n] = max(limits[n], np.uint32((row[n] >> shift) & np.uint32(0xFFFF)))
        for n in range(images):
            limits[n] = min(limits[n], limit)
        start = 0
    for i in range(start, channels):
        row, shift, value = noise[i >> 1], np.uint32(16 * (i & 1)), values[i]
        for n in range(images):
            if start > 0:  # the last of an odd number
                row[n] = _next(row[n])
            kept = np.uint32((row[n] >> shift) & np.uint32(0xFFFF)) >= limits[n]
            value[n] = value[n] if kept else np.float32(0)


@kernel
def powers(exponents, highest, factors):
    """factors = 2^(exponents - highest), 0 where that is too small for a float32."""
    bits = factors.view(np.int32)
    for n in range(exponents.shape[0]):
        power = np.int32(exponents[n] - highest[n])
        bits[n] = np.int32((127 + min(power, np.int32(127))) << 23) if power > -127 else np.int32(0)
