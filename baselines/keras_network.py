"""What the models on Keras 3 share: parameters that start alike on every backend, the training loop, files, copies."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from baselines.keras_backend import COMPILED, import_keras
from baselines.progress import progress_bar
from dcgmm import checks
from dcgmm.checkpoint import Checkpoint, identity
from dcgmm.history import History, HistoryRow
from dcgmm.storage import DamagedFileError, Tensors, class_path, read_json, read_tensors, write_json, write_tensors

ORDER, NOISE, SCORING = 1, 2, 3  # streams of random numbers of one seed
BATCH = 100  # images in a call of a network that does not train
MODEL_FILE, TENSOR_FILE = "model.json", "network.safetensors"

Images = npt.NDArray[np.float32]


class DivergedError(ArithmeticError):
    """Training left the region in which the model learns; the message says with which settings."""


class KerasNetwork:
    """Base of `Cnn` and `Vae`. A model keeps each argument of its constructor under the argument's name.

    A subclass sets `self._networks` (name → keras.Sequential), calls `_initialise`, and gives `_step` and `_measure`.
    Attributes that end in "_" are results of training: they are saved, copied and kept in checkpoints, as JSON.
    """

    _networks: dict[str, Any]

    def __init__(self, image_shape: Sequence[int], *, seed: int, epochs: int, batch_size: int, learning_rate: float):
        self.image_shape = checks.image_shape(image_shape)
        self.seed = checks.seed(seed)
        self.epochs = checks.epochs(epochs)
        self.batch_size = checks.integer(batch_size, name="batch_size")
        self.learning_rate = checks.positive(learning_rate, name="learning_rate")
        self._keras = import_keras()

    def get_params(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def count_params(self) -> int:
        """Number of trainable parameters."""
        return int(sum(math.prod(v.shape) for n in self._networks.values() for v in n.trainable_variables))

    # --- parameters ----------------------------------------------------------------------------------------------

    def _initialise(self) -> None:
        """Glorot-uniform kernels and zero biases, drawn by NumPy: the same numbers on every backend."""
        rng = np.random.default_rng(self.seed)
        for layer in (layer for network in self._networks.values() for layer in network.layers):
            if hasattr(layer, "kernel"):
                shape = tuple(layer.kernel.shape)  # (rows, columns, in, out), or (in, out); transposed: (…, out, in)
                limit = math.sqrt(6.0 / (math.prod(shape[:-2]) * (shape[-2] + shape[-1])))
                layer.set_weights([rng.uniform(-limit, limit, shape).astype(np.float32), np.zeros(layer.bias.shape)])
            for noise in _noise_of(layer):
                noise.assign(rng.integers(0, 2**31, noise.shape))

    def _groups(self) -> dict[str, list[Any]]:
        """The variables of the model by network."""
        return {name: list(network.weights) for name, network in self._networks.items()}

    def _results(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name.endswith("_") and not name.startswith("_")}

    def _set_results(self, results: Mapping[str, Any]) -> None:
        vars(self).update(results)

    def _model(self, inputs: Any, outputs: Any) -> Any:
        """A keras.Model for `_map`, compiled as suits the backend."""
        model = self._keras.Model(inputs, outputs)
        model.compile(jit_compile=COMPILED[self._keras.backend.backend()])
        return model

    def _map(self, model: Any, *arrays: npt.NDArray[Any], size: int = BATCH) -> list[Images]:
        """The model's outputs, each (n, …), for arrays (n, …) of its inputs, in batches of few different sizes."""
        parts = []
        for start in range(0, len(arrays[0]), size):
            batch = [array[start : start + size] for array in arrays]
            n = len(batch[0])
            room = min(size, 1 << (n - 1).bit_length()) - n  # a backend that compiles does so for powers of two only
            batch = [np.concatenate([part, np.repeat(part[-1:], room, axis=0)]) if room else part for part in batch]
            found = model.predict_on_batch(batch if len(batch) > 1 else batch[0])
            parts.append([np.asarray(o)[:n] for o in (found if isinstance(found, list | tuple) else [found])])
        return [np.concatenate(output) for output in zip(*parts, strict=True)]

    # --- training ------------------------------------------------------------------------------------------------

    def _step(self, x: Images, rows: npt.NDArray[np.int64], epoch: int, number: int) -> Mapping[str, float]:
        """Train on x[rows], batch `number` of the epoch; means over the batch, "loss" among them."""
        raise NotImplementedError

    def _measure(self, epoch: int, step: int, means: Mapping[str, float]) -> list[HistoryRow]:
        """What the history gets after an epoch, from the means over its images and what is measured then."""
        raise NotImplementedError

    def _train(
        self,
        trained: Any,
        x: Images,
        labels: npt.NDArray[np.int64] | None,
        checkpoint: str | Path | None,
        *,
        progress: bool,
    ) -> History:
        """Train `trained`, a compiled keras.Model, from the initial parameters or from the checkpoint on.

        Batches of shuffled epochs; order and noise of a batch depend on seed, epoch and its number alone. Raises
        DivergedError when the loss is not finite, OtherTrainingError for a checkpoint that is not of this training.
        """
        fixed = {k: v for k, v in self.get_params().items() if k not in ("epochs", "seed")}
        kept = Checkpoint(checkpoint, identity(class_path(type(self)), fixed, self.seed, x, labels))
        found = kept.read()
        if found is not None and found[1]["epoch"] + bool(found[1]["step"]) > self.epochs:
            raise ValueError(
                f"the checkpoint {kept.path} has more than the {self.epochs} epochs given: raise epochs, or remove it"
            )
        self._initialise()
        trained.optimizer.build(trained.trainable_variables)
        groups = {**self._groups(), "optimizer": trained.optimizer.variables}
        for name, network in self._networks.items():
            groups[f"{name}-noise"] = [noise for layer in network.layers for noise in _noise_of(layer)]
        history, epoch, number, sums = History(), 0, 0, {}
        if found is not None:
            tensors, past = found
            assign(groups, tensors, str(kept.path))
            self._set_results(past["results"])
            epoch, number, sums = past["epoch"], past["step"], past["sums"]
            history.extend(HistoryRow(*row) for row in past["history"])

        def state() -> tuple[Tensors, dict[str, Any]]:
            past = {"epoch": epoch, "step": number, "sums": sums, "history": history, "results": self._results()}
            return arrays_of(groups), past

        batches = math.ceil(len(x) / self.batch_size)
        with (
            progress_bar(type(self).__name__, self.epochs * batches, progress) as show,
            kept.kept(state) as after_step,
        ):
            while epoch < self.epochs:
                order = np.random.default_rng([ORDER, self.seed, epoch]).permutation(len(x))
                while number < batches:
                    rows = order[number * self.batch_size : (number + 1) * self.batch_size]
                    means = self._step(x, rows, epoch, number)
                    if not math.isfinite(means["loss"]):
                        raise self._diverged(f"the loss is {means['loss']} in batch {number + 1} of epoch {epoch + 1}")
                    sums = {name: sums.get(name, 0.0) + len(rows) * mean for name, mean in means.items()}
                    number += 1
                    show(epoch * batches + number, f"epoch {epoch + 1}, loss {means['loss']:.4g}")
                    after_step()
                rows_of_epoch = self._measure(epoch, (epoch + 1) * batches, {k: v / len(x) for k, v in sums.items()})
                history.extend(rows_of_epoch)
                epoch, number, sums = epoch + 1, 0, {}
                kept.write(state())
                after_step()
        return history

    def _diverged(self, how: str) -> DivergedError:
        return DivergedError(
            f"training of the {type(self).__name__} with seed {self.seed} diverged: {how}; learning_rate is "
            f"{self.learning_rate:g}, try a smaller one"
        )

    # --- files and copies ----------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write `network.safetensors` and `model.json` into the directory `path`."""
        write_tensors(Path(path) / TENSOR_FILE, arrays_of(self._groups()), {})
        name = class_path(type(self))
        content = {"class": name, "params": self.get_params(), "results": self._results()}
        write_json(Path(path) / MODEL_FILE, content)

    @classmethod
    def load(cls, path: str | Path) -> Any:
        """The model that `save` wrote into the directory `path`.

        Raises FileNotFoundError, or DamagedFileError for files that were truncated, altered, or of another model.
        """
        content, (tensors, _) = read_json(Path(path) / MODEL_FILE), read_tensors(Path(path) / TENSOR_FILE)
        if content.get("class") != class_path(cls):
            raise DamagedFileError(
                f"{Path(path) / MODEL_FILE} describes a {content.get('class')}, not a {cls.__name__}"
            )
        model = cls(**content["params"])
        assign(model._groups(), tensors, str(Path(path) / TENSOR_FILE))
        model._set_results(content["results"])
        return model

    def __getstate__(self) -> dict[str, Any]:
        return {"params": self.get_params(), "tensors": arrays_of(self._groups()), "results": self._results()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state["params"])  # type: ignore[misc] # networks cannot be copied, they are built again
        assign(self._groups(), state["tensors"], "the copied model")
        self._set_results(state["results"])


def _noise_of(layer: Any) -> list[Any]:
    """The state variables of a layer's random numbers (dropout)."""
    return [layer.seed_generator.state] if hasattr(layer, "seed_generator") else []


def arrays_of(groups: Mapping[str, Sequence[Any]]) -> Tensors:
    """Copies of Keras variables by "group/number"."""
    from keras import ops

    return {
        f"{group}/{index:03d}": np.array(ops.convert_to_numpy(variable.value))
        for group, variables in groups.items()
        for index, variable in enumerate(variables)
    }


def assign(groups: Mapping[str, Sequence[Any]], tensors: Tensors, source: str) -> None:
    """Give variables the values that `arrays_of` took from variables of the same groups, order and shapes."""
    wanted = {f"{group}/{i:03d}": v for group, variables in groups.items() for i, v in enumerate(variables)}
    if tensors.keys() != wanted.keys() or any(tensors[k].shape != tuple(v.shape) for k, v in wanted.items()):
        raise DamagedFileError(f"{source} holds the variables of another model than described: make it again")
    for key, variable in wanted.items():
        variable.assign(tensors[key])
