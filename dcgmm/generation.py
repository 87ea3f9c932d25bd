"""What a DCGMM generates: samples and completions, as methods of the model (Secs. III-I, III-J)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from dcgmm import checks
from dcgmm.inpainting import VARIANTS, conditional_control
from dcgmm.layers import classifier
from dcgmm.sampling import draw, draw_many
from dcgmm.sampling_options import LayerOptions, check_flag
from dcgmm.sampling_options import layer_options as options_of_layers
from dcgmm.scoring import Scoring


class Generation(Scoring):
    """The generating half of `dcgmm.DCGMM`."""

    def sample(
        self,
        n: int,
        *,
        seed: int,
        top_s: int | None = None,
        divisor: float = 1.0,
        power: float = 1.0,
        sharpen: bool = False,
        sharpen_iterations: int = 300,
        sharpen_step: float = 1.0,
        from_layer: int = -1,
        labels: Any = None,
        use_weights: bool = False,
        layer_options: Mapping[int, Mapping[str, Any]] | None = None,
    ) -> np.ndarray:
        """Draw images: backwards from a cGMM layer (Sec. III-I).

        Args:
            n: number of images. Image i depends on the seed and i only, so fewer images are the first of more.
            seed: of all random choices.
            top_s: S, how many of the largest entries of a control signal are kept; None for all.
            divisor: standard deviations are divided by it. Where s is at its upper bound √20 they are 0
                (not above it, where only `set_parameters` puts s).
            power: control signals are raised to it before they are normalised (no effect where one entry is kept).
            sharpen: sharpen the result of every folding layer by gradient ascent (`dcgmm.sharpening`).
            sharpen_iterations: number of its iterations.
            sharpen_step: an iteration adds step/100 times the gradient of the image's own target loss: the paper's
                step with its batch of 100 images, independent of the batch here.
            from_layer: the cGMM layer to start from, counted from the lowest, negative from the highest.
            labels: a class for all or (n,) classes: the control signal of the highest cGMM layer is the inversion of
                the classifier layer (Sec. III-F), which is nearly flat: a `power` at this layer makes the class count
                (docs/sampling.md). Without labels, components of the start layer are drawn uniformly.
            use_weights: draw them by the layer's weights pi instead; no effect with labels, which control them.
            layer_options: number of a cGMM layer → options that replace the ones above for this layer, see
                `dcgmm.sampling_options.LayerOptions`; here also `component` of the start layer and `sharpen_target`.

        Returns:
            (n, H, W, C) float32, clipped to [0, 1]; the Gaussians themselves have no bounds.

        Raises:
            ValueError: an option outside its range, a layer that does not exist, or labels that do not fit.
            TypeError: an option that does not exist, or one of another type.
            dcgmm.sharpening.SharpeningDiverged: `sharpen_step` is too large.
        """
        common = dict(top_s=top_s, divisor=divisor, power=power)
        common |= dict(sharpen=sharpen, sharpen_iterations=sharpen_iterations, sharpen_step=sharpen_step)
        images, _ = self.sample_traced(
            n,
            seed=seed,
            from_layer=from_layer,
            labels=labels,
            use_weights=use_weights,
            layer_options=layer_options,
            **common,
        )
        return images

    def sample_traced(
        self,
        n: int,
        *,
        seed: int,
        from_layer: int = -1,
        labels: Any = None,
        use_weights: bool = False,
        layer_options: Mapping[int, Mapping[str, Any]] | None = None,
        **options: Any,
    ) -> tuple[np.ndarray, dict[int, np.ndarray]]:
        """`sample` with the course of the sharpening.

        Args:
            n, seed, from_layer, labels, use_weights, layer_options: as for `sample`.
            **options: the other options of `sample`, with the same defaults. As there, `component` is an option of the
                start layer, given in `layer_options`.

        Returns:
            The images of `sample`; and for each sharpened folding layer, by its index in the configuration, the target
            loss of each image before every iteration and after the last, (iterations + 1, n) in nats.
        """
        ((drawn, traces),) = _draw_together(
            [self],
            n,
            seeds=[seed],
            from_layer=from_layer,
            labels=labels,
            use_weights=use_weights,
            overrides=layer_options,
            common=options,
        )
        return drawn, traces

    @staticmethod
    def sample_many(
        models: Sequence[Generation],
        n: int,
        *,
        seeds: Sequence[int],
        from_layer: int = -1,
        labels: Any = None,
        use_weights: bool = False,
        layer_options: Mapping[int, Mapping[str, Any]] | None = None,
        **options: Any,
    ) -> list[np.ndarray]:
        """`sample` of several models of one configuration: in one program on a GPU, one after another on a CPU.

        Args:
            models: with the same configuration and shape of images, on one device.
            n: number of images of each.
            seeds: one for each model.
            from_layer, labels, use_weights, layer_options, **options: as for `sample`, the same for all models.

        Returns:
            What `sample` gives, model by model: the same bits on a CPU, the same up to rounding on a GPU.

        Raises:
            ValueError: models of several configurations, or not one seed for each; and as for `sample`.
        """
        models = checks.several(models, Generation, called="DCGMM")
        given = list(seeds) if isinstance(seeds, Iterable) else []
        if len(given) != len(models):
            raise ValueError(f"seeds={seeds!r} are {len(given)}, and there are {len(models)} models: give one for each")
        for model in models[1:]:
            if (model._chain, model._device) != (models[0]._chain, models[0]._device):
                raise ValueError(f"the models differ: {models[0]!r} and {model!r}; sample them one by one")
        drawn = _draw_together(
            models,
            n,
            seeds=given,
            from_layer=from_layer,
            labels=labels,
            use_weights=use_weights,
            overrides=layer_options,
            common=options,
        )
        return [images for images, _ in drawn]

    def inpaint(
        self,
        x: np.ndarray,
        known: np.ndarray,
        *,
        seed: int,
        variant: str = "paper",
        top_s: int | None = None,
        divisor: float = 1.0,
        power: float = 1.0,
        sharpen: bool = False,
        sharpen_iterations: int = 300,
        sharpen_step: float = 1.0,
        from_layer: int = -1,
        labels: Any = None,
        use_weights: bool = False,
        layer_options: Mapping[int, Mapping[str, Any]] | None = None,
    ) -> np.ndarray:
        """Complete images: forward with what is known, backwards from the activities (Sec. III-J).

        Args:
            x: (n, H, W, C) images; the values of unknown pixels have no influence.
            known: (H, W) or (n, H, W) bool, True where a pixel is known.
            variant: "paper" sets unknown pixels to 0; "conditional" marginalises them out of the densities, which is
                exact for models of one layer at one position (`dcgmm.inpainting`).
            labels: as for `sample`; the class signal is multiplied with the activities.
            use_weights: no effect: components are chosen by the activities, which contain the weights.
            seed and the other options: as for `sample`; sampling goes backwards from the activities of `from_layer`.

        Returns:
            (n, H, W, C) float32 in [0, 1]; known pixels are those of `x` as float32, bit for bit.

        Raises:
            ValueError, TypeError, SharpeningDiverged: as for `sample`; an unknown variant; images or mask of another
                shape or type.
        """
        if variant not in VARIANTS:
            raise ValueError(f"variant={variant!r} is not known: choose one of {', '.join(VARIANTS)}")
        check_flag("use_weights", use_weights)
        x, known = checks.partly_known(x, known, self.input_shape)
        common = dict(top_s=top_s, divisor=divisor, power=power)
        common |= dict(sharpen=sharpen, sharpen_iterations=sharpen_iterations, sharpen_step=sharpen_step)
        start, each = self._sampling_options(from_layer, common, layer_options, controlled=True)
        if variant == "paper":
            control = self.activities(x, start)
        else:
            control = conditional_control(self._chain[: start + 1], self._parameters[: start + 1], x, known)
        if labels is not None:
            control = control * self._class_control(labels, len(x), start, each)
        drawn, _ = draw(self._chain, self._parameters, len(x), seed=seed, start=start, options=each, control=control)
        return np.where(known[..., None], x, np.clip(drawn, 0.0, 1.0))

    def _sampling_options(
        self,
        from_layer: int,
        common: Mapping[str, Any],
        overrides: Mapping[int, Mapping[str, Any]] | None,
        *,
        controlled: bool = False,
    ) -> tuple[int, tuple[LayerOptions, ...]]:
        """The start layer counted from the lowest, and the options of every cGMM layer."""
        layers = range(len(self._chain))
        if isinstance(from_layer, bool) or not isinstance(from_layer, int | np.integer):
            raise TypeError(f"from_layer={from_layer!r} is not an integer: give the number of a cGMM layer")
        if from_layer not in range(-len(layers), len(layers)):
            raise ValueError(
                f"from_layer={from_layer!r} is not a cGMM layer: {self.config!r} has {len(layers)}, "
                "counted from 0 at the bottom or from -1 at the top"
            )
        start = layers[from_layer]
        each = options_of_layers(common, overrides, self._chain, start)
        if controlled and each[start].component != "draw":
            raise ValueError(
                f"component={each[start].component!r} has no meaning with a control signal, which labels and known "
                "pixels give: leave it out"
            )
        return start, each

    def _class_control(self, labels: Any, n: int, start: int, options: Sequence[LayerOptions]) -> np.ndarray:
        """Control signal of the highest cGMM layer for given classes, (n, h, w, K)."""
        self._need_classifier()
        placed = self.architecture.classifier
        classes = placed.output_shape[2]  # type: ignore[union-attr]
        if start != len(self._chain) - 1:
            raise ValueError(f"labels control the highest cGMM layer: leave from_layer={start} out")
        if options[start].component != "draw":
            raise ValueError(f"give either labels or component={options[start].component!r}, not both")
        labels = checks.as_array(labels, "labels")
        if labels.shape not in ((), (n,)) or not np.issubdtype(labels.dtype, np.integer):
            raise ValueError(f"labels must be one integer or {n} integers, got {labels.dtype} of shape {labels.shape}")
        if n and (labels.min() < 0 or labels.max() >= classes):
            raise ValueError(f"labels must be from 0 to {classes - 1}, as {placed.spec} has {classes} classes")  # type: ignore[union-attr]
        wanted = np.eye(classes, dtype=np.float32)[np.broadcast_to(labels, (n,))]
        stage = self._chain[-1]
        weights, bias = self._classifier
        features = math.prod(stage.layer.output_shape)  # the highest layer's, behind those of the layer below
        control = classifier.invert(jnp.asarray(wanted), weights[-features:], bias, stage.components)
        return np.asarray(control).reshape(n, *stage.layer.output_shape)


def _draw_together(
    models: Sequence[Generation],
    n: int,
    *,
    seeds: Sequence[int],
    from_layer: int,
    labels: Any,
    use_weights: bool,
    overrides: Mapping[int, Mapping[str, Any]] | None,
    common: Mapping[str, Any],
) -> list[tuple[np.ndarray, dict[int, np.ndarray]]]:
    """Clipped images and traces of each of several models of one configuration."""
    if not models:
        return []
    n = checks.count(n)
    check_flag("use_weights", use_weights)
    start, each = models[0]._sampling_options(from_layer, common, overrides)
    controls = [None if labels is None else model._class_control(labels, n, start, each) for model in models]
    drawn = draw_many(
        models[0]._chain,
        [model._parameters for model in models],
        n,
        seeds=seeds,
        start=start,
        options=each,
        controls=controls,
        use_weights=use_weights,
    )
    return [(np.clip(images, 0.0, 1.0), traces) for images, traces in drawn]
