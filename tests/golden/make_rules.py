"""Makes rules.json: 50 steps of every rule of torch.optim, and of Lion, in float64, on one small network and one batch.

Run: python3 tests/golden/make_rules.py > tests/golden/rules.json   (PyTorch 2, any recent version)

Numbers that an engine gets are exact in float32: parameters, inputs, learning rates and the rules' own.
"""

import json

import numpy
import torch

torch.manual_seed(863)
torch.set_default_dtype(torch.float64)
WIDTHS, SAMPLES, STOPS = [4, 5, 3], 8, [1, 50]
exact = lambda number: float(numpy.float32(number))
DECAY = exact(0.05)
VALUE, NORM = exact(0.05), exact(0.2)  # less than most gradients of the network, and than their norm


class Lion(torch.optim.Optimizer):
    """Algorithm 2 of Chen et al. 2023, arXiv 2302.06675; torch.optim has none."""

    def __init__(self, parameters, lr, betas, weight_decay):
        super().__init__(parameters, {})
        self.lr, (self.beta1, self.beta2), self.decay = lr, betas, weight_decay

    @torch.no_grad()
    def step(self):
        for p in self.param_groups[0]["params"]:
            m = self.state[p].setdefault("m", torch.zeros_like(p))
            update = torch.sign(self.beta1 * m + (1 - self.beta1) * p.grad)
            p -= self.lr * (update + self.decay * p)
            m.copy_(self.beta2 * m + (1 - self.beta2) * p.grad)


def rules():
    """(name, learning rate, weight decay, bound of values, bound of the norm, the optimizer of some parameters)."""
    optim = torch.optim
    adam = {"betas": (exact(0.9), exact(0.999)), "eps": exact(1e-8)}
    for decay, value, norm in [(0.0, None, None), (DECAY, None, None), (DECAY, VALUE, None), (DECAY, None, NORM), (DECAY, VALUE, NORM)]:
        for name, rate, make, numbers in [
            ("sgd", 0.1, optim.SGD, {}),
            ("momentum", 0.01, optim.SGD, {"momentum": exact(0.9)}),
            ("nesterov", 0.01, optim.SGD, {"momentum": exact(0.9), "nesterov": True}),
            ("adagrad", 0.01, optim.Adagrad, {"eps": exact(1e-10)}),
            ("adadelta", 1.0, optim.Adadelta, {"rho": exact(0.9), "eps": exact(1e-6)}),
            ("rmsprop", 0.01, optim.RMSprop, {"alpha": exact(0.99), "eps": exact(1e-8)}),
            ("adam", 0.001, optim.Adam, adam),
            ("adamw", 0.001, optim.AdamW, adam),
            ("lion", 0.0001, Lion, {"betas": (exact(0.9), exact(0.99))}),
        ]:
            rate = exact(rate)
            if (value or norm) and name not in ("sgd", "momentum", "adamw"):
                continue
            yield name, rate, decay, value, norm, lambda p: make(p, lr=rate, weight_decay=decay, **numbers)


def numbers(tensors):
    """Nine digits are enough for a float32."""
    return [float(f"{number:.9g}") for tensor in tensors for number in tensor.detach().flatten().tolist()]


initial = []
for inputs, outputs in zip(WIDTHS, WIDTHS[1:]):
    initial.append((torch.randn(outputs, inputs) * (2 / inputs) ** 0.5).float().double())
    initial.append((0.1 * torch.randn(outputs)).float().double())
x = torch.randn(SAMPLES, WIDTHS[0]).float().double()
x[torch.rand_like(x) < 0.3] = 0.0
x[:, 1] = 0.0  # an input that is inactive in the whole batch
y = torch.randint(0, WIDTHS[-1], (SAMPLES,))

trajectories = []
for name, rate, decay, value, norm, make in rules():
    parameters = [p.clone().requires_grad_() for p in initial]
    optimizer = make(parameters)
    stops = []
    for step in range(1, STOPS[-1] + 1):
        w1, b1, w2, b2 = parameters
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(torch.relu(x @ w1.T + b1) @ w2.T + b2, y).backward()
        if value:
            torch.nn.utils.clip_grad_value_(parameters, value)
        if norm:
            torch.nn.utils.clip_grad_norm_(parameters, norm)
        optimizer.step()
        if step in STOPS:
            stops.append(numbers(parameters))
    clipping = {"clip_value": value, "clip_norm": norm}
    trajectories.append({"rule": name, "learning_rate": rate, "weight_decay": decay, **clipping, "parameters": stops})
document = {
    "widths": WIDTHS,
    "inputs": numbers([x]),
    "labels": y.tolist(),
    "initial": numbers(initial),
    "steps": STOPS,
    "trajectories": trajectories,
}
print(json.dumps(document, separators=(",", ":")))
