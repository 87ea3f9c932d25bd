"""A plain Gaussian mixture on whole images ("is it better than a plain GMM?"), and the template for a model file."""

import numpy as np
from sklearn.mixture import GaussianMixture as SklearnMixture

from dcgmm import History, checks
from dcgmm.storage import read_tensors, write_tensors


class GaussianMixture:
    """Diagonal mixture by EM; log-likelihoods of the continuous density of pixels in [0, 1], in nats per image.

    `init`: "kmeans" or "random" (means are drawn images). `min_variance` is added to each; 0.05 is a DCGMM's bound."""

    def __init__(self, image_shape, *, seed=0, components=49, init="kmeans", max_iter=100, min_variance=0.05):
        self.shape, seed = checks.image_shape(image_shape), checks.seed(seed)
        k, n = checks.integer(components, name="components"), checks.integer(max_iter, name="max_iter")
        start = "random_from_data" if checks.choice(init, ("kmeans", "random"), name="init") == "random" else init
        v, how = checks.positive(min_variance, name="min_variance"), dict(covariance_type="diag", init_params=start)
        self.arguments = dict(image_shape=self.shape, seed=seed, components=k, init=init, max_iter=n, min_variance=v)
        self.mixture = SklearnMixture(k, max_iter=n, reg_covar=v, random_state=seed % (2**32 - 5), **how)

    def fit(self, x, *, validation=None, progress=True):
        splits = {"train": x} if validation is None else {"train": x, "validation": validation}
        images = {name: checks.images(x, self.shape, name=f"{name} images") for name, x in splits.items()}
        self.mixture.set_params(verbose=2 if progress else 0).fit(images["train"].reshape(len(x), -1).astype(float))
        history = History()
        for split in splits:
            history.add(self.mixture.n_iter_, 0, split, self.score_samples(images[split]).mean())
        return history

    def score_samples(self, x):
        return self.mixture.score_samples(checks.images(x, self.shape).reshape(len(x), -1).astype(np.float64))

    def sample(self, n, *, seed):
        blank = np.zeros((checks.count(n), *self.shape), np.float32)
        return self.inpaint(blank, np.zeros(self.shape[:2], bool), seed=seed) if n else blank

    def inpaint(self, x, known, *, seed):  # a draw of the unknown pixels from their exact conditional, cut to [0, 1]
        x, mask = checks.partly_known(x, known, self.shape)
        m, rng = checks.trained(self.mixture, "means_"), np.random.default_rng(checks.seed(seed))
        mask = np.repeat(mask[..., None], self.shape[2], 3).reshape(len(x), -1)
        v, mu, seen = m.covariances_, m.means_, x.reshape(mask.shape).astype(np.float64)  # 0 where unknown
        square = seen**2 @ (1 / v).T - 2 * seen @ (mu / v).T + mask @ (mu**2 / v + np.log(2 * np.pi * v)).T
        k = (np.log(m.weights_) - 0.5 * square + rng.gumbel(size=square.shape)).argmax(1)
        return np.where(mask, seen, rng.normal(mu[k], np.sqrt(v[k])).clip(0, 1)).reshape(x.shape).astype(np.float32)

    def count_params(self):  # a mean and a variance of each pixel, and a weight, for each component
        return int(self.mixture.n_components * (2 * np.prod(self.shape) + 1))

    def save(self, path):
        keys, m = ("means_", "covariances_", "weights_", "precisions_cholesky_"), checks.trained(self.mixture, "means_")
        write_tensors(f"{path}/mixture.safetensors", {k: getattr(m, k) for k in keys}, self.arguments)

    @classmethod
    def load(cls, path):
        arrays, arguments = read_tensors(f"{path}/mixture.safetensors")
        model = cls(**arguments)
        vars(model.mixture).update(arrays)
        return model
