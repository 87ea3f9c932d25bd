"""Tables V to VIII, generated: the DCGMM instances, their layers, the judge's CNN and the VAE."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from math import prod
from typing import TYPE_CHECKING, Any

from evaluation.base.text import NOTHING
from evaluation.results.published import ANY_DATASET, published_number
from evaluation.results.tables.table import Column, Record, Table

if TYPE_CHECKING:
    import pandas as pd


def architectures() -> Table:
    """Table V from the notation: configuration and centroid parameters, beside the paper's."""
    import pandas as pd

    from dcgmm.notation import place

    data = []
    for label, config in _instances().items():
        layout = place(config, (28, 28, 1))
        data.append(
            {
                "model": label,
                "configuration": config,
                "layers": len(layout.layers),
                "published": int(published_number("table_5", "parameters", ANY_DATASET, label).mean),
                "parameters": layout.centroid_parameters,
            }
        )
    return _table(
        "Configurations of DCGMM and the number of their centroid parameters, shared over positions, for 28×28 images.",
        pd.DataFrame(data),
    )


def layers() -> Table:
    """Table VI, applied: what goes in and out of every layer of every instance, for 28×28 images."""
    import pandas as pd

    from dcgmm.notation import place

    data = [
        {
            "model": label,
            "layer": layer.index,
            "notation": str(layer.spec),
            "input (H, W, C)": "×".join(map(str, layer.input_shape)),
            "output (H, W, C)": "×".join(map(str, layer.output_shape)),
            "centroid parameters": layer.centroid_parameters,
        }
        for label, config in _instances().items()
        for layer in place(config, (28, 28, 1)).layers
    ]
    return _table("Shapes of all layers, by the rules of Table VI, for 28×28 images.", pd.DataFrame(data))


def _instances() -> dict[str, str]:
    from dcgmm.instances import INSTANCES

    return {f"DCGMM-{name}": instance.config for name, instance in INSTANCES.items() if len(name) == 1}


# --- Tables VII and VIII: described here without Keras; the tests hold them against the models themselves -------------

Layer = tuple[str, int, int, int]  # type, kernel, stride, channels or neurons (0: those of the image)
CNN: tuple[Layer, ...] = (
    ("Dropout 0.1", 0, 0, 0),
    ("Conv same/ReLU", 3, 1, 64),
    ("Conv same/ReLU", 3, 1, 64),
    ("Pooling", 2, 2, 0),
    ("Conv same/ReLU", 3, 1, 64),
    ("Pooling", 2, 2, 0),
    ("Conv same/ReLU", 3, 1, 64),
    ("Pooling", 2, 2, 0),
    ("Flatten", 0, 0, 0),
    ("Dense/ReLU", 0, 0, 350),
    ("Dropout 0.1", 0, 0, 0),
    ("Dense/ReLU", 0, 0, 350),
    ("Dense/ReLU", 0, 0, 350),
    ("Dense/Softmax", 0, 0, 10),
)
LATENT = 64
VAE_ENCODER: tuple[Layer, ...] = (
    ("Conv same/ReLU", 3, 1, 64),
    ("Conv same/ReLU", 3, 2, 128),
    ("Conv same/ReLU", 3, 2, 256),
    ("Conv same/ReLU", 2, 2, 512),
    ("Flatten", 0, 0, 0),
    ("Dense", 0, 0, 2 * LATENT),
)
VAE_DECODER: tuple[Layer, ...] = (
    ("ConvT valid/ReLU", 4, 1, 1024),
    ("ConvT valid/ReLU", 5, 1, 512),
    ("ConvT valid/ReLU", 4, 2, 256),
    ("ConvT valid/ReLU", 5, 1, 128),
    ("ConvT valid/ReLU", 3, 1, 128),
    ("ConvT valid", 3, 1, 3),  # no rectifier: it gives the parameters of the likelihood
)


def judge_network() -> Table:
    """Table VII for 28×28 images: every layer of the CNN that judges samples, its output and its parameters."""
    data = list(_network("", CNN, (28, 28, 1)))
    total = sum(row["parameters"] for row in data)
    return _network_table(
        f"The CNN that judges samples, for 28×28 images, {total:,} parameters; the padding is ours.", data
    )


def vae_network() -> Table:
    """Table VIII for 32×32 colour images, with the choices that make its shapes come out."""
    reshaped = (4, 4, 128)
    data = [
        *_network("encoder", VAE_ENCODER, (32, 32, 3)),
        *_network("decoder", (("Dense/ReLU", 0, 0, prod(reshaped)),), (LATENT,)),
        _row("decoder", ("Reshape", 0, 0, 0), reshaped, 0),
        *_network("decoder", VAE_DECODER, reshaped),
    ]
    total = sum(row["parameters"] for row in data)
    return _network_table(f"The variational autoencoder, for 32×32 colour images, {total:,} parameters.", data)


def _network(part: str, layers: Iterable[Layer], shape: tuple[int, ...]) -> Iterator[dict[str, Any]]:
    """Rows of a chain of layers: the shapes (H, W, C) or (neurons,) they put out, and how many parameters they have."""
    for layer in layers:
        kind, kernel, stride, channels = layer
        parameters = 0
        if kind == "Flatten":
            shape = (prod(shape),)
        elif kind.startswith("Dense"):
            shape, parameters = (channels,), (shape[0] + 1) * channels
        elif kernel:
            if kind != "Pooling":
                parameters = (kernel**2 * shape[2] + 1) * channels
            height, width, before = shape
            shape = (*(_side(kind, length, kernel, stride) for length in (height, width)), channels or before)
        yield _row(part, layer, shape, parameters)


def _side(kind: str, before: int, kernel: int, stride: int) -> int:
    """Height or width after a convolution ("valid", or "same"), a pooling, or a transposed convolution ("valid")."""
    if kind.startswith("ConvT"):
        return (before - 1) * stride + kernel
    return -(-before // stride) if "same" in kind else 1 + (before - kernel) // stride


def _row(part: str, layer: Layer, shape: tuple[int, ...], parameters: int) -> dict[str, Any]:
    kind, kernel, stride, _ = layer
    output = "×".join(map(str, shape))
    return {"part": part, "layer": kind, "kernel": kernel, "stride": stride, "output": output, "parameters": parameters}


def _network_table(caption: str, data: list[dict[str, Any]]) -> Table:
    import pandas as pd

    frame = pd.DataFrame(data)
    if not frame["part"].any():
        frame = frame.drop(columns="part")
    return _table(caption, frame, zero=NOTHING)


def _table(caption: str, frame: pd.DataFrame, zero: str = "0") -> Table:
    """All of a frame as it is; `zero` is what stands for 0."""

    def shown(name: str) -> Callable[[Record], str]:
        return lambda row: zero if row[name] == 0 else str(row[name])

    first, *others = map(str, frame.columns)
    frame = frame.assign(_line=range(len(frame)))  # equal lines are lines of their own
    return Table(caption, frame, ["_line"], {first: shown(first)}, [Column(name, shown(name)) for name in others])
