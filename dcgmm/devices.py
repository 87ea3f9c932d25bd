"""Where a model computes: "cpu", "gpu", or "auto" for a GPU where there is one."""

from __future__ import annotations

import jax

from dcgmm import checks, runtime

DEVICES = ("auto", "cpu", "gpu")


def resolve(name: str) -> jax.Device:
    """The device of this name.

    Raises:
        ValueError: no such name, or there is no such device here.
    """
    checks.choice(name, DEVICES, name="device")
    try:
        runtime.start()
        return jax.local_devices(backend=None if name == "auto" else name)[0]
    except RuntimeError as error:
        raise ValueError(
            f"device={name!r}: JAX finds no such device ({error}); install JAX for it "
            '(pip install "jax[cuda13]"), or take device="cpu"'
        ) from None


def platform_of(device: jax.Device) -> str:
    """The kind of forms and programs that suit a device: "cpu" or "gpu"."""
    return "cpu" if device.platform == "cpu" else "gpu"
