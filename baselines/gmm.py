"""A plain Gaussian mixture on whole images ("is it better than a plain GMM?"), and the model file to copy from."""

import json
from pathlib import Path

import numpy as np
from sklearn.mixture import GaussianMixture as SklearnMixture

from dcgmm.history import History


class GaussianMixture:
    """Diagonal mixture by EM; log-likelihoods of the continuous density of pixels in [0, 1], in nats per image.

    `init`: "kmeans" or "random" (means are drawn images). `min_variance` is added to each; 0.05 is a DCGMM's bound.
    """

    def __init__(self, image_shape, *, seed=0, components=49, init="kmeans", max_iter=100, min_variance=0.05):
        arguments = dict(seed=seed, components=components, init=init, max_iter=max_iter, min_variance=min_variance)
        self.arguments = {"image_shape": list(image_shape), **arguments}
        how = dict(covariance_type="diag", init_params={"random": "random_from_data"}.get(init, init))
        self.mixture = SklearnMixture(components, max_iter=max_iter, reg_covar=min_variance, random_state=seed, **how)

    def fit(self, x, *, validation=None, progress=True):
        self.mixture.set_params(verbose=2 if progress else 0).fit(x.reshape(len(x), -1).astype(np.float64))
        history = History()
        for split, images in [("train", x), *([("validation", validation)] if validation is not None else [])]:
            history.add(self.mixture.n_iter_, 0, split, self.score_samples(images).mean())
        return history

    def score_samples(self, x):
        return self.mixture.score_samples(x.reshape(len(x), -1).astype(np.float64))

    def sample(self, n, *, seed):
        nothing = np.zeros((n, *self.arguments["image_shape"]), np.float32)
        return self.inpaint(nothing, np.zeros(nothing.shape[:3], bool), seed=seed)

    def inpaint(self, x, known, *, seed):  # a draw of the unknown pixels from their exact conditional, cut to [0, 1]
        rng, m = np.random.default_rng(seed), self.mixture
        mask = np.broadcast_to(np.asarray(known)[..., None], x.shape).reshape(len(x), self.mixture.means_.shape[1])
        v, mu, seen = m.covariances_, m.means_, np.where(mask, x.reshape(mask.shape), 0.0)
        square = seen**2 @ (1 / v).T - 2 * seen @ (mu / v).T + mask @ (mu**2 / v + np.log(2 * np.pi * v)).T
        k = (np.log(m.weights_) - 0.5 * square + rng.gumbel(size=square.shape)).argmax(1)
        drawn = rng.normal(mu[k], np.sqrt(v[k])).clip(0, 1)
        return np.where(mask, x.reshape(mask.shape), drawn).reshape(x.shape).astype(np.float32)

    def count_params(self):
        return sum(a.size for a in (self.mixture.means_, self.mixture.covariances_, self.mixture.weights_))

    def save(self, path):
        Path(path).mkdir(parents=True, exist_ok=True)
        arrays = {k: getattr(self.mixture, k) for k in ("means_", "covariances_", "weights_", "precisions_cholesky_")}
        np.savez(Path(path, "mixture.npz"), **arrays, arguments=json.dumps(self.arguments))

    @classmethod
    def load(cls, path):
        with np.load(Path(path, "mixture.npz")) as arrays:
            model = cls(**json.loads(str(arrays["arguments"])))
            vars(model.mixture).update({k: arrays[k] for k in arrays.files if k != "arguments"})
        return model
