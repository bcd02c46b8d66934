"""Makes activations.json: 50 steps of SGD and of aSGD, with and without a threshold of the counts, for every activation of torch.nn, in
float64, on one small network and one batch.

Run: python3 tests/golden/make_activations.py > tests/golden/activations.json   (PyTorch 2, any recent version)

Gradients are autograd's on one sample at a time, with the deltas as gradients of the sums z. Numbers that an engine gets are exact in
float32. Nothing comes so near a threshold or a kink that rounding could carry it across.
"""

import json

import numpy
import torch

torch.manual_seed(863)
torch.set_default_dtype(torch.float64)
WIDTHS, SAMPLES, STOPS, EPSILON = [4, 6, 5, 3], 9, [1, 50], 1e-8
exact = lambda number: float(numpy.float32(number))
SLOPE, THRESHOLDS, FARTHEST = 0.125, [0.0, 0.25], 1e-5

nn = torch.nn
ACTIVATIONS = {
    "relu": nn.ReLU(),
    f"leaky-relu:{SLOPE}": nn.LeakyReLU(SLOPE),
    "elu": nn.ELU(),
    "gelu": nn.GELU(),
    "silu": nn.SiLU(),
    "tanh": nn.Tanh(),
    "sigmoid": nn.Sigmoid(),
}


def numbers(tensors):
    """Nine digits are enough for a float32."""
    return [float(f"{number:.9g}") for tensor in tensors for number in tensor.detach().flatten().tolist()]


def sample(parameters, phi, x, y):
    """(inputs of each layer, deltas of each layer) of one sample."""
    below, sums = [x], []
    for weight, bias in zip(parameters[::2], parameters[1::2]):
        sums.append(weight @ below[-1] + bias)
        below.append(phi(sums[-1]))
    loss = nn.functional.cross_entropy(sums[-1][None], y[None])
    return [a.detach() for a in below[:-1]], torch.autograd.grad(loss, sums), sums[:-1]


def step(parameters, phi, threshold, has_kink):
    """Gradient sums and counts, in the order of the parameters."""
    samples = [sample(parameters, phi, x, y) for x, y in zip(xs, ys)]
    reduced = []
    for layer in range(len(WIDTHS) - 1):
        a = torch.stack([below[layer] for below, _, _ in samples])
        delta = torch.stack([deltas[layer] for _, deltas, _ in samples])
        bound = threshold * delta.abs().amax(0)
        if threshold > 0:
            assert ((delta.abs() - bound).abs() > FARTHEST * delta.abs().amax(0)).all(), "a delta near its bound"
            assert layer == 0 or ((a.abs() - threshold).abs() > FARTHEST).all(), "an activation near the threshold"
        if has_kink and layer < len(WIDTHS) - 2:
            assert all((sums[layer].abs() > FARTHEST).all() for _, _, sums in samples), "a kink is near"
        counts_a, counts_delta = (a.abs() > threshold).long(), (delta.abs() > bound).long()
        reduced.append((delta.T @ a, counts_delta.T @ counts_a))
        reduced.append((delta.sum(0), counts_delta.sum(0)))
    return reduced


initial = []
for inputs, outputs in zip(WIDTHS, WIDTHS[1:]):
    initial.append((torch.randn(outputs, inputs) * (2 / inputs) ** 0.5).float().double())
    initial.append((0.1 * torch.randn(outputs)).float().double())
xs = torch.randn(SAMPLES, WIDTHS[0]).float().double()
xs[torch.rand_like(xs) < 0.3] = 0.0
ys = torch.randint(0, WIDTHS[-1], (SAMPLES,))

trajectories = []
for name, phi in ACTIVATIONS.items():
    for optimizer, threshold in [("sgd", 0.0), ("asgd", THRESHOLDS[0]), ("asgd", THRESHOLDS[1])]:
        rate = exact(0.2 if optimizer == "sgd" else 0.05)
        parameters = [p.clone().requires_grad_() for p in initial]
        stops, counts = [], []
        for number in range(1, STOPS[-1] + 1):
            reduced = step(parameters, phi, threshold, "relu" in name)
            with torch.no_grad():
                for p, (s, c) in zip(parameters, reduced):
                    if optimizer == "sgd":
                        p -= rate * s / SAMPLES
                    else:
                        p -= torch.where(c == 0, 0.0, rate * s / (c + EPSILON))
            if number in STOPS:
                stops.append(numbers(parameters))
                counts.append([int(c) for _, own in reduced for c in own.flatten()])
        settings = {"activation": name, "optimizer": optimizer, "learning_rate": rate, "count_threshold": threshold}
        trajectories.append({**settings, "parameters": stops, "counts": counts})
document = {
    "widths": WIDTHS,
    "inputs": numbers([xs]),
    "labels": ys.tolist(),
    "initial": numbers(initial),
    "steps": STOPS,
    "trajectories": trajectories,
}
print(json.dumps(document, separators=(",", ":")))
