"""The convolutional variational autoencoder of Table VIII (Keras 3 on TensorFlow)."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from baselines.keras_model import KerasModel
from baselines.keras_variables import import_keras, load_variables, save_variables, write_json
from dcgmm.history import History

MONITORED = 500  # validation images looked at after each epoch
# (channels, kernel, stride) of the transposed convolutions, all "valid". 4 → 7 → 11 → 24 → 28 → 30 → 32 is Table VIII;
# 28 pixels follow with the first 5 made a 3: 4 → 7 → 9 → 20 → 24 → 26 → 28.
DECODERS = {
    32: ((1024, 4, 1), (512, 5, 1), (256, 4, 2), (128, 5, 1), (128, 3, 1), (0, 3, 1)),
    28: ((1024, 4, 1), (512, 3, 1), (256, 4, 2), (128, 5, 1), (128, 3, 1), (0, 3, 1)),
}
LOG_2PI = math.log(2.0 * math.pi)


class Vae(KerasModel):
    """VAE of Table VIII for 32×32 images, and by the same rule for 28×28 ones (one kernel of 5 becomes a 3).

    Encoder: 3×3 convolutions of 64, 128, 256 channels and a 2×2 one of 512, strides 1, 2, 2, 2, padding "same" (the
    table's flat size 4,096 comes out of no padding; "same" gives 8,192), then mean and log-variance of `latent`
    normal variables. Decoder: dense 4·4·128, six transposed convolutions with valid padding. The table ends in a
    rectifier; here the last layer gives the parameters of the likelihood instead:

    `width` multiplies all hidden channels; 1.0 is Table VIII.

    likelihood "bernoulli": logits; pixels in [0, 1] are taken as probabilities of a bit (a bound on no density, but
    the usual one for MNIST; `score_samples` is then in nats of that cross-entropy).
    likelihood "gaussian": means through a sigmoid and the fixed standard deviation `std`; a density of the pixels.

    `score_samples` is the importance-weighted bound (Burda et al. 2016) with `draws` draws from the encoder.
    Trained with Adam at `learning_rate` on the ELBO with one draw per image.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        seed: int = 0,
        latent: int = 64,
        epochs: int = 100,
        batch_size: int = 100,
        learning_rate: float = 1e-4,
        likelihood: str = "bernoulli",
        std: float = 0.1,
        draws: int = 50,
        width: float = 1.0,
    ) -> None:
        if likelihood not in ("bernoulli", "gaussian"):
            raise ValueError(f"likelihood={likelihood!r} given: expected 'bernoulli' or 'gaussian'.")
        if tuple(image_shape[:2]) not in {(side, side) for side in DECODERS}:
            raise ValueError(
                f"images of shape {tuple(image_shape)} given: this VAE is made for 28×28 and 32×32 pixels."
            )
        super().__init__(image_shape, seed=seed, epochs=epochs, batch_size=batch_size, learning_rate=learning_rate)
        self.latent = latent
        self.likelihood = likelihood
        self.std = std
        self.draws = draws
        self.width = width
        self._keras = import_keras()
        import tensorflow as tf

        self._tf = tf
        self._seeds = iter(np.random.SeedSequence(seed).generate_state(16).tolist())
        self._encoder = self._build_encoder()
        self._decoder = self._build_decoder()
        self._train_step = tf.function(self._step, reduce_retracing=True)
        self._bound = tf.function(self._importance_bound, reduce_retracing=True)
        self._decode = tf.function(self._decoder, reduce_retracing=True)
        self._encode = tf.function(self._encoder, reduce_retracing=True)

    # --- networks ------------------------------------------------------------------------------------------------

    def _kernel(self) -> Any:
        return self._keras.initializers.GlorotUniform(seed=next(self._seeds))

    def _channels(self, channels: int) -> int:
        """Table VIII's channels times `width`; 0 stands for the image's own."""
        return max(1, round(channels * self.width)) if channels else self.image_shape[2]

    def _build_encoder(self) -> Any:
        layers = self._keras.layers
        network = [self._keras.Input(self.image_shape)]
        for channels, kernel, stride in ((64, 3, 1), (128, 3, 2), (256, 3, 2), (512, 2, 2)):
            options = {"strides": stride, "padding": "same", "activation": "relu"}
            network.append(
                layers.Conv2D(self._channels(channels), kernel, kernel_initializer=self._kernel(), **options)
            )
        network += [layers.Flatten(), layers.Dense(2 * self.latent, kernel_initializer=self._kernel())]
        return self._keras.Sequential(network)

    def _build_decoder(self) -> Any:
        layers = self._keras.layers
        first = self._channels(128)
        network = [
            self._keras.Input((self.latent,)),
            layers.Dense(4 * 4 * first, activation="relu", kernel_initializer=self._kernel()),
            layers.Reshape((4, 4, first)),
        ]
        for channels, kernel, stride in DECODERS[self.image_shape[0]]:
            options = {"strides": stride, "padding": "valid", "activation": "relu" if channels else None}
            network.append(
                layers.Conv2DTranspose(self._channels(channels), kernel, kernel_initializer=self._kernel(), **options)
            )
        return self._keras.Sequential(network)

    # --- densities -----------------------------------------------------------------------------------------------

    def _log_likelihood(self, x: Any, output: Any, weight: Any = 1.0) -> Any:
        """log p(x | z) summed over pixels, (n,), from the decoder's output (n, H, W, C); `weight` multiplies pixels."""
        tf = self._tf
        if self.likelihood == "bernoulli":
            pixels = -tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=output)
        else:
            pixels = -0.5 * tf.square((x - tf.sigmoid(output)) / self.std) - math.log(self.std) - 0.5 * LOG_2PI
        return tf.reduce_sum(pixels * weight, axis=(1, 2, 3))

    def _posterior(self, x: Any) -> tuple[Any, Any]:
        """Mean and log-variance of q(z | x), both (n, latent); the log-variance is kept within ±20."""
        mean, log_variance = self._tf.split(self._encoder(x), 2, axis=1)
        return mean, self._tf.clip_by_value(log_variance, -20.0, 20.0)

    def _elbo(self, x: Any, noise: Any) -> Any:
        """Mean evidence lower bound with one draw per image and the closed-form KL divergence."""
        tf = self._tf
        mean, log_variance = self._posterior(x)
        z = mean + tf.exp(0.5 * log_variance) * noise
        kl = 0.5 * tf.reduce_sum(tf.exp(log_variance) + tf.square(mean) - 1.0 - log_variance, axis=1)
        return tf.reduce_mean(self._log_likelihood(x, self._decoder(z)) - kl)

    def _step(self, x: Any, noise: Any) -> Any:
        with self._tf.GradientTape() as tape:
            elbo = self._elbo(x, noise)
            loss = -elbo
        variables = self._trainable()
        self._optimizer.apply(tape.gradient(loss, variables), variables)
        return elbo

    def _importance_bound(self, x: Any, noise: Any) -> Any:
        """log 1/k sum_k p(x, z_k) / q(z_k | x), (n,), from noise (k, n, latent); one draw at a time, for memory."""
        tf = self._tf
        mean, log_variance = self._posterior(x)

        def log_weight(epsilon: Any) -> Any:
            z = mean + tf.exp(0.5 * log_variance) * epsilon
            prior_minus_posterior = 0.5 * tf.reduce_sum(tf.square(epsilon) - tf.square(z) + log_variance, axis=1)
            return self._log_likelihood(x, self._decoder(z)) + prior_minus_posterior

        weights = tf.map_fn(log_weight, noise, fn_output_signature=tf.float32)
        return tf.reduce_logsumexp(weights, axis=0) - tf.math.log(tf.cast(tf.shape(noise)[0], tf.float32))

    # --- the model interface -------------------------------------------------------------------------------------

    def _trainable(self) -> list[Any]:
        return [*self._encoder.trainable_variables, *self._decoder.trainable_variables]

    def _groups(self) -> dict[str, list[Any]]:
        return {"encoder": self._encoder.weights, "decoder": self._decoder.weights}

    def _training_state(self) -> dict[str, list[Any]]:
        return self._groups() | {"optimizer": self._optimizer.variables}

    def fit(
        self,
        x: np.ndarray,
        *,
        validation: np.ndarray | None = None,
        progress: bool = True,
        checkpoint: str | Path | None = None,
    ) -> History:
        """Maximise the ELBO on x (n, H, W, C). The history counts batches, with the mean ELBO of each epoch and of the
        first 500 validation images, in nats. An interrupted training goes on exactly as it would have.

        Raises ValueError for images of another shape.
        """
        self._check(x)
        self._optimizer = self._keras.optimizers.Adam(self.learning_rate)
        self._optimizer.build(self._trainable())
        history, note = self._resume(checkpoint)
        for epoch in range(note["epochs"], self.epochs):
            mean = self._epoch(x, epoch, progress)
            step = self._steps(epoch + 1, len(x))
            history.add(step, 0, "train", mean)
            if validation is not None:
                part = validation[:MONITORED]
                noise = np.random.default_rng([self.seed, epoch, 1]).standard_normal((len(part), self.latent))
                history.add(step, 0, "validation", float(self._elbo(part, noise.astype(np.float32))))
            self._keep(checkpoint, history, epoch + 1)
        return history

    def _epoch(self, x: np.ndarray, epoch: int, progress: bool) -> float:
        from rich.progress import track

        rng = np.random.default_rng([self.seed, epoch])
        order, total = rng.permutation(len(x)), 0.0
        starts = range(0, len(x), self.batch_size)
        for start in track(starts, f"VAE, epoch {epoch + 1} of {self.epochs}", disable=not progress):
            batch = self._tf.constant(x[order[start : start + self.batch_size]])
            noise = rng.standard_normal((len(batch), self.latent)).astype(np.float32)
            total += len(batch) * float(self._train_step(batch, self._tf.constant(noise)))
        return total / len(x)

    def score_samples(self, x: np.ndarray, *, draws: int | None = None, seed: int | None = None) -> np.ndarray:
        """Importance-weighted bound on log p(x) in nats, (n,) float64, with `draws` draws (constructor's by default).

        A lower bound in expectation that rises with the draws; deterministic in `seed` (the model's by default).
        """
        self._check(x)
        rng = np.random.default_rng(self.seed if seed is None else seed)
        parts = []
        for start in range(0, len(x), 100):
            batch = x[start : start + 100]
            noise = rng.standard_normal((draws or self.draws, len(batch), self.latent)).astype(np.float32)
            parts.append(self._bound(self._tf.constant(batch), self._tf.constant(noise)).numpy())
        return np.concatenate(parts).astype(np.float64)

    def _image_means(self, z: np.ndarray) -> np.ndarray:
        """Mean images of latent vectors (n, latent)."""
        parts = [
            self._tf.sigmoid(self._decode(self._tf.constant(z[start : start + 100]))).numpy()
            for start in range(0, len(z), 100)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, *self.image_shape), np.float32)

    def sample(self, n: int, *, seed: int) -> np.ndarray:
        """Mean images of n latent vectors drawn from the prior, (n, H, W, C) in [0, 1] (no pixel noise, as usual)."""
        z = np.random.default_rng(seed).standard_normal((n, self.latent)).astype(np.float32)
        return self._image_means(z)

    def reconstruct(self, x: np.ndarray) -> np.ndarray:
        """Mean images at the posterior means of x, (n, H, W, C)."""
        self._check(x)
        return self._image_means(self._latent_means(x))

    def _latent_means(self, x: np.ndarray) -> np.ndarray:
        parts = [
            self._encode(self._tf.constant(x[start : start + 100])).numpy()[:, : self.latent]
            for start in range(0, len(x), 100)
        ]
        return np.concatenate(parts)

    def inpaint(self, x: np.ndarray, known: np.ndarray, *, seed: int, steps: int = 20) -> np.ndarray:
        """Approximate completion by Gibbs refilling (Rezende et al. 2014): encode, draw z, decode, put the known pixels
        back, `steps` times; unknown pixels start as uniform noise. Not a draw of the exact conditional.

        x (n, H, W, C), known bool (H, W) or (n, H, W); known pixels come back untouched.
        """
        self._check(x)
        rng = np.random.default_rng(seed)
        mask = np.broadcast_to(np.asarray(known, bool), x.shape[:3])[..., None]
        filled = np.where(mask, x, rng.uniform(size=x.shape)).astype(np.float32)
        for _ in range(steps):
            z = self._posterior_draw(filled, rng)
            filled = np.where(mask, x, self._image_means(z)).astype(np.float32)
        return filled

    def _posterior_draw(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        parts = [self._encode(self._tf.constant(x[start : start + 100])).numpy() for start in range(0, len(x), 100)]
        mean, log_variance = np.split(np.concatenate(parts), 2, axis=1)
        spread = np.exp(0.5 * np.clip(log_variance, -20.0, 20.0))
        return (mean + spread * rng.standard_normal(mean.shape)).astype(np.float32)

    def count_params(self) -> int:
        """Trainable parameters of encoder and decoder."""
        return int(sum(math.prod(v.shape) for v in self._trainable()))

    def save(self, path: str | Path) -> None:
        """Write `network.safetensors` and `vae.json` into the directory `path`."""
        save_variables(Path(path) / "network.safetensors", self._groups(), {})
        write_json(Path(path) / "vae.json", {"params": self.get_params()})

    @classmethod
    def load(cls, path: str | Path) -> Vae:
        """The model that `save` wrote into the directory `path`."""
        params = json.loads((Path(path) / "vae.json").read_text())["params"]
        model = cls(tuple(params.pop("image_shape")), **params)
        load_variables(Path(path) / "network.safetensors", model._groups())
        return model
