"""Normal leaves of scale 1 on normalised pixels: the normalisation, the means, the log-densities."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

EPSILON = 1e-8  # added to standard deviations, as libspn-keras does
ROUNDING = 1e-6  # an image of a smaller standard deviation is constant: one pixel of eight bits makes a larger one
LOG_UNIT = -0.5 * math.log(2.0 * math.pi)  # log-density of a standard normal distribution at its mean
NORMALIZATIONS = ("global", "sample")

Floats = npt.NDArray[np.float32]


class NormalLeaves:
    """The leaves of every pixel: means (H, W, leaves, C) on normalised pixels, scales of 1.

    normalization "global": one mean and standard deviation, those of all training pixels; "sample": each image's own; a
    constant image, whose standard deviation in floating point may be rounding, is zeros.
    mean, std: the constants of "global"; with "sample" the mean statistics of the training images, for images that are
    drawn without one to go by.
    """

    def __init__(self, image_shape: tuple[int, int, int], leaves: int, normalization: str) -> None:
        height, width, channels = image_shape
        quantiles = [NormalDist().inv_cdf((k + 0.5) / leaves) for k in range(leaves)]
        self.means = np.tile(np.array(quantiles, np.float32)[:, None], (height, width, 1, channels))
        self.normalization = normalization
        self.mean, self.std = 0.0, 1.0

    def adapt(self, x: Floats) -> None:
        """Take the constants from images x (n, H, W, C), and as means those of the `leaves` quantiles of each pixel."""
        if self.normalization == "sample":
            mean, std = self.statistics(x)
            self.mean, self.std = float(mean.mean()), float(std.mean())
        else:
            self.mean, self.std = float(x.mean(dtype=np.float64)), float(x.std(dtype=np.float64))
        count = self.means.shape[2]
        bounds = np.cumsum([0, *(len(part) for part in np.array_split(np.empty(len(x)), count))])
        for row in range(x.shape[1]):
            pixels = np.ascontiguousarray(np.moveaxis(self._normalize(x, row), 0, -1))  # (W, C, n)
            inner = np.unique(bounds[(bounds > 0) & (bounds < len(x))])
            if len(inner):
                pixels.partition(inner, axis=-1)
            for k in range(count):
                first, last = bounds[k], max(bounds[k + 1], bounds[k] + 1)  # fewer images than leaves: some share one
                part = pixels[..., min(first, len(x) - 1) : last]
                self.means[row, :, k] = part.mean(axis=-1, dtype=np.float64)

    def statistics(self, x: Floats, known: npt.NDArray[np.bool_] | None = None) -> tuple[Floats, Floats]:
        """Mean and standard deviation by which each image is normalised, both (n, 1, 1, 1); 0 for a constant image.

        known (n, H, W): with "sample", those of the known pixels alone, since the others are not to be seen; without
        any, `mean` and `std` of the training images.
        """
        if self.normalization == "sample":
            mean, std = x.mean((1, 2, 3), keepdims=True), x.std((1, 2, 3), keepdims=True)
            if known is not None:
                for row in np.flatnonzero(~known.all((1, 2))):
                    seen = x[row][known[row]].astype(np.float64)
                    mean[row], std[row] = (seen.mean(), seen.std()) if seen.size else (self.mean, self.std)
            return mean, np.where(std < ROUNDING, 0, std)
        shape = (len(x), 1, 1, 1)
        return np.full(shape, self.mean, np.float32), np.full(shape, self.std, np.float32)

    def _normalize(self, x: Floats, row: int | None = None, known: npt.NDArray[np.bool_] | None = None) -> Floats:
        mean, std = self.statistics(x, known)
        pixels = x - mean if row is None else x[:, row] - mean[:, 0]
        scale = std if row is None else std[:, 0]
        if self.normalization == "sample" and not scale.all():
            pixels = np.where(scale > 0, pixels, 0)
        return (pixels / (scale + EPSILON)).astype(np.float32)

    def log_values(self, x: Floats, known: npt.NDArray[np.bool_] | None = None) -> Floats:
        """Log-densities (H, W, leaves, n) of the normalised pixels; 0 where a pixel is not known (n, H, W)."""
        pixels = np.ascontiguousarray(self._normalize(x, known=known).transpose(1, 2, 3, 0))  # (H, W, C, n)
        log_values = np.zeros((*self.means.shape[:3], len(x)), np.float32)
        for channel in range(x.shape[3]):
            distance = pixels[:, :, None, channel] - self.means[:, :, :, channel, None]
            log_values += np.float32(LOG_UNIT) - np.float32(0.5) * distance * distance
        if known is not None:
            log_values *= known.transpose(1, 2, 0)[:, :, None]
        return log_values

    def log_volume(self, pixels: int) -> float:
        """What the log-density of an image's pixels is less than that of its normalised pixels."""
        return pixels * math.log(self.std + EPSILON) if self.normalization == "global" else 0.0

    def pixels(
        self,
        components: npt.NDArray[np.intp],
        mean: Floats | float,
        std: Floats | float,
        rng: np.random.Generator | None,
    ) -> Floats:
        """Images (n, H, W, C), clipped to [0, 1], of the leaves' means; of draws from the leaves if rng is given."""
        rows, columns = np.indices(components.shape[1:])
        drawn = self.means[rows, columns, components].astype(np.float64)
        if rng is not None:
            drawn += rng.standard_normal(drawn.shape)
        return np.clip(drawn * (std + EPSILON) + mean, 0.0, 1.0).astype(np.float32)
