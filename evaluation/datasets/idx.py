"""The IDX format of MNIST and Fashion-MNIST.

Two zero bytes, the type of the values, the number of axes, each axis's length (4 bytes, big-endian), the values.
"""

from __future__ import annotations

import math
import struct

import numpy as np

from evaluation.base.errors import DataError

_UNSIGNED_BYTE = 0x08
MOST_AXES = 4  # images with channels


def read_idx(content: bytes, name: str = "IDX data") -> np.ndarray:
    """The array of unsigned bytes in `content`, with the axes that its header gives; `name` is for error messages.

    Raises DataError for anything that is not a whole IDX file of unsigned bytes.
    """
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != _UNSIGNED_BYTE:
        beginning = content[:4].hex() or "nothing"
        raise DataError(f"{name} is no IDX file of unsigned bytes: it starts with {beginning}, expected 000008")
    axes = content[3]
    if not 1 <= axes <= MOST_AXES:
        raise DataError(f"{name} has {axes} axes, expected 1 to {MOST_AXES}")
    start = 4 + 4 * axes
    if len(content) < start:
        raise DataError(f"{name} is truncated: {len(content)} bytes are shorter than the header of {axes} axes")
    shape = struct.unpack(f">{axes}I", content[4:start])
    expected = start + math.prod(shape)  # Python's integers: four sides of 65,536 are more than 64 bits hold
    if len(content) != expected:
        raise DataError(f"{name} holds {len(content)} bytes, but its header, shape {shape}, asks for {expected}")
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)
