"""An Einet of SPFlow 1.1 (`pip install spflow==1.1.0`): an example of a model with its own framework."""

import numpy as np
import torch
from spflow.meta.data.scope import Scope
from spflow.modules.leaves.normal import Normal
from spflow.zoo.einet import Einet

from dcgmm import History, checks
from dcgmm.storage import read_tensors, write_tensors


class SpflowEinet:
    """Random trees with normal leaves, trained by Adam; log-likelihoods of the density of pixels in [0, 1], in nats."""

    def __init__(self, image_shape, *, seed=0, sums=10, depth=4, repetitions=10, epochs=5, learning_rate=0.01):
        sizes = dict(sums=sums, depth=depth, repetitions=repetitions, epochs=epochs)
        sizes = {name: checks.integer(value, name=name) for name, value in sizes.items()}
        rate, seed = checks.positive(learning_rate, name="learning_rate"), checks.seed(seed)
        self.shape = checks.image_shape(image_shape)
        self.arguments = dict(image_shape=self.shape, seed=seed, learning_rate=rate, **sizes)
        np.random.seed(seed % 2**32), torch.manual_seed(seed)  # noqa: NPY002 (SPFlow draws from them)
        leaves = Normal(Scope(range(np.prod(self.shape))), out_channels=sums, num_repetitions=repetitions)
        self.circuit = Einet([leaves], 1, sums, sums, depth, repetitions, layer_type="einsum")

    def fit(self, x, *, validation=None, progress=True):
        splits = {"train": x} if validation is None else {"train": x, "validation": validation}
        data, *_ = [torch.tensor(checks.images(own, self.shape, name=name)).flatten(1) for name, own in splits.items()]
        self.__init__(**self.arguments)  # type: ignore[misc]  # from the initial parameters
        a, history = self.arguments, History()
        adam = torch.optim.Adam(self.circuit.parameters(), lr=a["learning_rate"])
        for epoch in range(a["epochs"]):
            order = np.random.default_rng([a["seed"], epoch]).permutation(len(x))
            for batch in torch.from_numpy(order).split(100):
                adam.zero_grad()
                (-self.circuit.log_likelihood(data[batch]).mean()).backward()
                adam.step()
            for name, own in splits.items():
                history.add((epoch + 1) * -(-len(x) // 100), 0, name, self.score_samples(own).mean())
        return history

    @torch.no_grad()
    def score_samples(self, x):
        batches = torch.tensor(checks.images(x, self.shape)).flatten(1).split(500)
        return torch.cat([self.circuit.log_likelihood(batch).flatten() for batch in batches]).double().numpy()

    def sample(self, n, *, seed):
        nothing = np.zeros((checks.count(n), *self.shape), np.float32)
        return self.inpaint(nothing, np.zeros(self.shape[:2], bool), seed=seed) if n else nothing

    @torch.no_grad()
    def inpaint(self, x, known, *, seed):
        x, mask = checks.partly_known(x, known, self.shape)
        mask, _ = np.broadcast_to(mask[..., None], x.shape), torch.manual_seed(checks.seed(seed))
        drawn = self.circuit.sample_with_evidence(torch.tensor(np.where(mask, x, np.nan)).flatten(1))  # NaN: draw it
        return np.where(mask, x, drawn.clamp(0, 1).numpy().reshape(x.shape)).astype(np.float32)

    def count_params(self):
        return sum(p.numel() for p in self.circuit.parameters())

    def save(self, path):
        write_tensors(f"{path}/einet.safetensors", self.circuit.state_dict(), self.arguments)

    @classmethod
    def load(cls, path):
        tensors, arguments = read_tensors(f"{path}/einet.safetensors")
        model = cls(**arguments)
        model.circuit.load_state_dict({name: torch.from_numpy(t) for name, t in tensors.items()})
        return model
