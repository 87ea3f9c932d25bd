"""The cropped-digit format of SVHN: MATLAB files with the images `X` and the labels `y`."""

from __future__ import annotations

import io

import numpy as np

from evaluation.base.errors import DataError


def read_mat(content: bytes, name: str = "SVHN data") -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 32, 32, 3) uint8 and labels (N,) uint8 from 0 to 9 of one `.mat` file; `name` is for error messages.

    The file stores `X` as (32, 32, 3, N) and writes the digit 0 as label 10. Raises DataError for anything else.
    """
    import scipy.io

    try:
        arrays = scipy.io.loadmat(io.BytesIO(content), variable_names=("X", "y"))
    except Exception as error:  # SciPy raises many kinds of exception for damaged files
        raise DataError(f"{name} cannot be read as a MATLAB file: {error}") from error
    if not {"X", "y"} <= arrays.keys():
        raise DataError(f"{name} lacks the variables X and y of the cropped-digit format of SVHN")
    x, y = arrays["X"], arrays["y"].reshape(-1)
    if x.dtype != np.uint8 or x.shape != (32, 32, 3, len(y)):
        raise DataError(f"{name} holds X of shape {x.shape}, {x.dtype}; expected (32, 32, 3, {len(y)}), uint8")
    if y.dtype.kind not in "iuf":  # MATLAB's usual numbers are floats
        raise DataError(f"{name} holds labels of type {y.dtype}; expected numbers from 1 to 10")
    if not np.isin(y, np.arange(1, 11)).all():
        raise DataError(f"{name} holds labels from {y.min()} to {y.max()}; expected whole ones from 1 to 10")
    return np.ascontiguousarray(x.transpose(3, 0, 1, 2)), (y % 10).astype(np.uint8)
