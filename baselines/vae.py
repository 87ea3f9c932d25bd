"""Variational autoencoder of Table VIII (Kingma and Welling 2014) on Keras 3, on any of its backends."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logsumexp

from baselines.keras_backend import COMPILED
from baselines.keras_network import BATCH, NOISE, SCORING, Images, KerasNetwork
from dcgmm import checks
from dcgmm.history import History, HistoryRow

MONITORED = 500  # validation images looked at after each epoch
# (channels, kernel, stride) of the transposed convolutions, all "valid". 4 → 7 → 11 → 24 → 28 → 30 → 32 is Table VIII;
# 28 pixels follow with the first 5 made a 3: 4 → 7 → 9 → 20 → 24 → 26 → 28.
DECODERS = {
    32: ((1024, 4, 1), (512, 5, 1), (256, 4, 2), (128, 5, 1), (128, 3, 1), (0, 3, 1)),
    28: ((1024, 4, 1), (512, 3, 1), (256, 4, 2), (128, 5, 1), (128, 3, 1), (0, 3, 1)),
}
LOG_2PI = math.log(2.0 * math.pi)
LOG_VARIANCE = 20.0  # largest absolute log-variance of q(z | x)


class Vae(KerasNetwork):
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
    Trained with Adam at `learning_rate` on the ELBO with one draw per image. Images are floats (n, H, W, C) in [0, 1].
    Raises ValueError for parameters outside their range and for images of another size.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
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
        self.latent = checks.integer(latent, name="latent")
        self.likelihood = checks.choice(likelihood, ("bernoulli", "gaussian"), name="likelihood")
        self.std = checks.positive(std, name="std")
        self.draws = checks.integer(draws, name="draws")
        self.width = checks.positive(width, name="width")
        super().__init__(image_shape, seed=seed, epochs=epochs, batch_size=batch_size, learning_rate=learning_rate)
        if self.image_shape[:2] not in {(side, side) for side in DECODERS}:
            raise ValueError(f"image_shape={self.image_shape}: this VAE is made for 28×28 and 32×32 pixels")
        checks.memory(16 * self._size(), what=f"latent={self.latent} with width={self.width:g}")
        self.first_elbo_ = 0.0  # of the first batch of the training, before anything was learnt from it
        self._networks = {"encoder": self._build_encoder(), "decoder": self._build_decoder()}
        self._initialise()
        self._posterior, self._decode, self._weigh, self._trained = self._build_densities()

    # --- networks ------------------------------------------------------------------------------------------------

    def _channels(self, channels: int) -> int:
        """Table VIII's channels times `width`; 0 stands for the image's own."""
        return max(1, round(channels * self.width)) if channels else self.image_shape[2]

    def _size(self) -> int:
        """About how many parameters the two networks have: those of the larger layers."""
        decoder = [(channels, kernel) for channels, kernel, _ in DECODERS[self.image_shape[0]]]
        below = [128, *(channels for channels, _ in decoder)]
        kernels = [(64, 128, 3), (128, 256, 3), (256, 512, 2), *((a, *b) for a, b in zip(below, decoder, strict=False))]
        dense = self.latent * 16 * (2 * self._channels(512) + self._channels(128))
        return dense + sum(kernel**2 * self._channels(a) * self._channels(b) for a, b, kernel in kernels)

    def _build_encoder(self) -> Any:
        layers = self._keras.layers
        network = [self._keras.Input(self.image_shape)]
        for channels, kernel, stride in ((64, 3, 1), (128, 3, 2), (256, 3, 2), (512, 2, 2)):
            options = {"strides": stride, "padding": "same", "activation": "relu"}
            network.append(layers.Conv2D(self._channels(channels), kernel, **options))
        return self._keras.Sequential([*network, layers.Flatten(), layers.Dense(2 * self.latent)])

    def _build_decoder(self) -> Any:
        layers = self._keras.layers
        first = self._channels(128)
        network = [
            self._keras.Input((self.latent,)),
            layers.Dense(4 * 4 * first, activation="relu"),
            layers.Reshape((4, 4, first)),
        ]
        for channels, kernel, stride in DECODERS[self.image_shape[0]]:
            options = {"strides": stride, "padding": "valid", "activation": "relu" if channels else None}
            network.append(layers.Conv2DTranspose(self._channels(channels), kernel, **options))
        return self._keras.Sequential(network)

    def _build_densities(self) -> tuple[Any, Any, Any, Any]:
        """x → mean and log-variance of q(z | x); z → decoder's output; (x, mean, log-variance, noise) → log-weight;
        (x, noise) → ELBO. All of n images; the last is the one that is trained."""
        keras, ops = self._keras, self._keras.ops
        encoder, decoder = self._networks["encoder"], self._networks["decoder"]
        x, z = keras.Input(self.image_shape), keras.Input((self.latent,))
        noise, given_mean, given_log_variance = (keras.Input((self.latent,)) for _ in range(3))
        mean, log_variance = ops.split(encoder(x), 2, axis=1)
        log_variance = ops.clip(log_variance, -LOG_VARIANCE, LOG_VARIANCE)
        drawn = given_mean + ops.exp(0.5 * given_log_variance) * noise
        prior_minus_posterior = 0.5 * ops.sum(ops.square(noise) - ops.square(drawn) + given_log_variance, axis=1)
        log_weight = self._log_likelihood(x, decoder(drawn)) + prior_minus_posterior
        # the ELBO has the divergence KL(q || p) in closed form
        kl = 0.5 * ops.sum(ops.exp(log_variance) + ops.square(mean) - 1.0 - log_variance, axis=1)
        elbo = self._log_likelihood(x, decoder(mean + ops.exp(0.5 * log_variance) * noise)) - kl
        return (
            self._model(x, [mean, log_variance]),
            self._model(z, decoder(z)),
            self._model([x, given_mean, given_log_variance, noise], log_weight),
            self._model([x, noise], elbo),
        )

    def _log_likelihood(self, x: Any, output: Any) -> Any:
        """log p(x | z) summed over pixels, (n,), from the decoder's output (n, H, W, C)."""
        ops = self._keras.ops
        if self.likelihood == "bernoulli":  # x·log sigmoid(l) + (1 - x)·log sigmoid(-l)
            pixels = x * output - ops.softplus(output)
        else:
            error = (x - ops.sigmoid(output)) / self.std
            pixels = -0.5 * ops.square(error) - (math.log(self.std) + 0.5 * LOG_2PI)
        return ops.sum(pixels, axis=(1, 2, 3))

    # --- training ------------------------------------------------------------------------------------------------

    def fit(
        self,
        x: np.ndarray,
        *,
        validation: np.ndarray | None = None,
        progress: bool = True,
        checkpoint: str | Path | None = None,
    ) -> History:
        """Maximise the ELBO on x (n, H, W, C), from the initial parameters.

        The history counts batches, with the mean ELBO of each epoch and of the first 500 validation images, in nats.
        checkpoint: a directory; an interrupted training resumes from it, with the same result.

        Raises ValueError for other images than the model is made for and for a checkpoint of another training,
        DivergedError when the ELBO is not finite, or at the end far below that of the first batch.
        """
        x = checks.images(x, self.image_shape)
        self._validation = None
        if validation is not None:
            self._validation = checks.images(validation, self.image_shape, name="validation images")[:MONITORED]
        self._trained.compile(
            self._keras.optimizers.Adam(self.learning_rate),
            loss=lambda _, elbo: -elbo,
            jit_compile=COMPILED[self._keras.backend.backend()],
        )
        try:
            return self._train(self._trained, x, None, checkpoint, progress=progress)
        finally:
            self._validation = None

    def _step(self, x: Images, rows: npt.NDArray[np.int64], epoch: int, number: int) -> Mapping[str, float]:
        noise = self._noise([NOISE, self.seed, epoch, number], len(rows))
        self._trained.reset_metrics()
        found = self._trained.train_on_batch([x[rows], noise], np.zeros(len(rows), np.float32), return_dict=True)
        if epoch == number == 0:
            self.first_elbo_ = -float(found["loss"])
        return {"loss": float(found["loss"])}

    def _measure(self, epoch: int, step: int, means: Mapping[str, float]) -> list[HistoryRow]:
        elbo = -means["loss"]
        if epoch + 1 == self.epochs and elbo < self.first_elbo_ - 0.1 * abs(self.first_elbo_):
            raise self._diverged(
                f"the ELBO is {elbo:.4g} nats in the end and was {self.first_elbo_:.4g} in the beginning"
            )
        rows = [HistoryRow(step, 0, "train", elbo)]
        if self._validation is not None:
            noise = self._noise([SCORING, self.seed, epoch], len(self._validation))
            (elbos,) = self._map(self._trained, self._validation, noise)
            rows.append(HistoryRow(step, 0, "validation", float(elbos.mean(dtype=np.float64))))
        return rows

    def _noise(self, key: Sequence[int], n: int) -> Images:
        """Standard normal numbers (n, latent) that depend on the key alone."""
        return np.random.default_rng(key).standard_normal((n, self.latent), np.float32)

    # --- what the trained model says -----------------------------------------------------------------------------

    def score_samples(self, x: np.ndarray, *, draws: int | None = None, seed: int | None = None) -> np.ndarray:
        """Importance-weighted bound on log p(x) in nats, (n,) float64, with `draws` draws (constructor's by default).

        A lower bound in expectation that rises with the draws. The draws of an image depend on `seed` (the model's by
        default) and on its pixels, not on the images beside it.
        """
        x = checks.images(x, self.image_shape)
        draws = self.draws if draws is None else checks.integer(draws, name="draws")
        seed = self.seed if seed is None else checks.seed(seed)
        bounds = []
        for start in range(0, len(x), BATCH):
            batch = x[start : start + BATCH]
            noise = np.stack([self._noise([SCORING, seed, *_words(image)], draws) for image in batch], axis=1)
            bounds.append(self._importance_bound(batch, noise))
        return np.concatenate(bounds)

    def _importance_bound(self, x: Images, noise: Images) -> np.ndarray:
        """log 1/k sum_k p(x, z_k) / q(z_k | x), (n,) float64, from noise (k, n, latent)."""
        mean, log_variance = self._map(self._posterior, x)
        log_weights = [self._map(self._weigh, x, mean, log_variance, draw)[0] for draw in noise]
        return np.asarray(logsumexp(np.stack(log_weights).astype(np.float64), axis=0)) - math.log(len(noise))

    def _image_means(self, z: Images) -> Images:
        """Mean images of latent vectors (n, latent)."""
        if len(z) == 0:
            return np.zeros((0, *self.image_shape), np.float32)
        return expit(self._map(self._decode, z)[0])

    def sample(self, n: int, *, seed: int) -> np.ndarray:
        """Mean images of n latent vectors drawn from the prior, (n, H, W, C) in [0, 1] (no pixel noise, as usual)."""
        return self._image_means(self._noise([checks.seed(seed)], checks.count(n)))

    def reconstruct(self, x: np.ndarray) -> np.ndarray:
        """Mean images at the posterior means of x, (n, H, W, C)."""
        return self._image_means(self._map(self._posterior, checks.images(x, self.image_shape))[0])

    def inpaint(self, x: np.ndarray, known: np.ndarray, *, seed: int, steps: int = 20) -> np.ndarray:
        """Approximate completion by Gibbs refilling (Rezende et al. 2014): encode, draw z, decode, put the known pixels
        back, `steps` times; unknown pixels start as uniform noise. Not a draw of the exact conditional.

        x (n, H, W, C), known bool (H, W) or (n, H, W); known pixels come back untouched, values of unknown ones have
        no influence.
        """
        x, mask = checks.partly_known(x, known, self.image_shape)
        mask = mask[..., None]
        rng, steps = np.random.default_rng(checks.seed(seed)), checks.integer(steps, name="steps")
        filled = np.where(mask, x, rng.random(x.shape, np.float32))
        for _ in range(steps):
            mean, log_variance = self._map(self._posterior, filled)
            z = mean + np.exp(0.5 * log_variance) * rng.standard_normal(mean.shape, np.float32)
            filled = np.where(mask, x, self._image_means(z))
        return filled


def _words(image: Images) -> list[int]:
    """Eight numbers of 32 bits that only an equal image has."""
    return np.frombuffer(hashlib.sha256(image.tobytes()).digest(), np.uint32).tolist()
