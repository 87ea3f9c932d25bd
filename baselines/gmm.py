"""A plain Gaussian mixture on whole images ("is it better than a plain GMM?"), and the model file to copy from."""

import numpy as np
from sklearn.mixture import GaussianMixture as SklearnMixture

from dcgmm import History, checks
from dcgmm.storage import read_tensors, write_tensors


class GaussianMixture:
    """Diagonal mixture by EM; log-likelihoods of the continuous density of pixels in [0, 1], in nats per image.

    `init`: "kmeans" or "random" (means are drawn images). `min_variance` is added to each; 0.05 is a DCGMM's bound.
    """

    def __init__(self, image_shape, *, seed=0, components=49, init="kmeans", max_iter=100, min_variance=0.05):
        self.shape, seed = checks.image_shape(image_shape), checks.seed(seed)
        arguments = dict(seed=seed, components=components, init=init, max_iter=max_iter, min_variance=min_variance)
        self.arguments = {"image_shape": self.shape, **arguments}
        how = dict(covariance_type="diag", init_params={"random": "random_from_data"}.get(init, init))
        self.mixture = SklearnMixture(components, max_iter=max_iter, reg_covar=min_variance, random_state=seed, **how)

    def fit(self, x, *, validation=None, progress=True):
        splits = {"train": x} if validation is None else {"train": x, "validation": validation}
        splits = {name: checks.images(images, self.shape, name=f"{name} images") for name, images in splits.items()}
        self.mixture.set_params(verbose=2 if progress else 0).fit(splits["train"].reshape(len(x), -1).astype(float))
        history = History()
        for split, images in splits.items():
            history.add(self.mixture.n_iter_, 0, split, self.score_samples(images).mean())
        return history

    def score_samples(self, x):
        return self.mixture.score_samples(checks.images(x, self.shape).reshape(len(x), -1).astype(np.float64))

    def sample(self, n, *, seed):
        blank = np.zeros((checks.count(n), *self.shape), np.float32)
        return self.inpaint(blank, np.zeros(self.shape[:2], bool), seed=seed) if n else blank

    def inpaint(self, x, known, *, seed):  # a draw of the unknown pixels from their exact conditional, cut to [0, 1]
        x, rng, m = checks.images(x, self.shape), np.random.default_rng(checks.seed(seed)), self.mixture
        mask = np.repeat(checks.known(known, len(x), self.shape)[..., None], self.shape[2], 3).reshape(len(x), -1)
        v, mu, seen = m.covariances_, m.means_, np.where(mask, x.reshape(mask.shape), 0.0)
        square = seen**2 @ (1 / v).T - 2 * seen @ (mu / v).T + mask @ (mu**2 / v + np.log(2 * np.pi * v)).T
        k = (np.log(m.weights_) - 0.5 * square + rng.gumbel(size=square.shape)).argmax(1)
        drawn = np.where(mask, x.reshape(mask.shape), rng.normal(mu[k], np.sqrt(v[k])).clip(0, 1))
        return drawn.reshape(x.shape).astype(np.float32)

    def count_params(self):  # a mean and a variance of each pixel, and a weight, for each component
        return int(self.mixture.n_components * (2 * np.prod(self.shape) + 1))

    def save(self, path):
        arrays = {k: getattr(self.mixture, k) for k in ("means_", "covariances_", "weights_", "precisions_cholesky_")}
        write_tensors(f"{path}/mixture.safetensors", arrays, self.arguments)

    @classmethod
    def load(cls, path):
        arrays, arguments = read_tensors(f"{path}/mixture.safetensors")
        model = cls(**arguments)
        vars(model.mixture).update(arrays)
        return model
