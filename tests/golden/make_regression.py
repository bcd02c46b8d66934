"""Makes regression.json: 50 steps of SGD (torch.optim.SGD) and of aSGD on torch.nn.MSELoss(), in float64, of two small networks on
one batch each, and the loss, the gradient sums and the adaptive batch sizes before the first.

Run: python3 tests/golden/make_regression.py > tests/golden/regression.json   (made with PyTorch 2.5.1; any recent version)

Numbers that an engine gets are exact in float32. Every per-sample gradient comes from autograd on that sample alone, and the adaptive
batch size counts its entries that are not zero.
"""

import json

import numpy
import torch

torch.manual_seed(1986)
torch.set_default_dtype(torch.float64)
exact = lambda number: float(numpy.float32(number))
RATES, EPSILON, STOPS = {"sgd": exact(0.05), "asgd": exact(0.02)}, exact(1e-8), [1, 50]
loss_of = torch.nn.MSELoss()


def forward(parameters, x):
    for weight, bias in zip(parameters[:-2:2], parameters[1:-2:2]):
        x = torch.relu(x @ weight.T + bias)
    return x @ parameters[-2].T + parameters[-1]


def per_sample(parameters, x, y):
    """Sums over the samples, and how many gradients are not zero."""
    sums = [torch.zeros_like(p) for p in parameters]
    counts = [torch.zeros_like(p) for p in parameters]
    for one_x, one_y in zip(x, y):
        gradients = torch.autograd.grad(loss_of(forward(parameters, one_x), one_y), parameters)
        for total, count, gradient in zip(sums, counts, gradients):
            total += gradient
            count += gradient != 0
    return sums, counts


def numbers(tensors):
    return [t.detach().flatten().tolist() for t in tensors]


def trained(initial, x, y, name):
    parameters = [p.clone().requires_grad_() for p in initial]
    optimizer = torch.optim.SGD(parameters, lr=RATES[name])
    stops = []
    for step in range(1, STOPS[-1] + 1):
        if name == "sgd":
            optimizer.zero_grad()
            loss_of(forward(parameters, x), y).backward()
            optimizer.step()
        else:
            sums, counts = per_sample(parameters, x, y)
            with torch.no_grad():
                for p, s, c in zip(parameters, sums, counts):
                    p -= torch.where(c == 0, torch.zeros_like(p), RATES[name] * s / (c + EPSILON))
        if step in STOPS:
            stops.append(numbers(parameters))
    return stops


def case(widths, samples):
    initial = []
    for inputs, outputs in zip(widths, widths[1:]):
        initial.append((torch.randn(outputs, inputs) * (2 / inputs) ** 0.5).float().double())
        initial.append((0.1 * torch.randn(outputs)).float().double())
    x = torch.randn(samples, widths[0]).float().double()
    x[torch.rand_like(x) < 0.3] = 0.0
    y = torch.randn(samples, widths[-1]).float().double()
    parameters = [p.clone().requires_grad_() for p in initial]
    sums, counts = per_sample(parameters, x, y)
    return {
        "widths": widths,
        "inputs": x.flatten().tolist(),
        "targets": y.flatten().tolist(),
        "initial": numbers(initial),
        "mean_loss": loss_of(forward(initial, x), y).item(),
        "sums": numbers(sums),
        "counts": [[int(c) for c in values] for values in numbers(counts)],
        "sgd": trained(initial, x, y, "sgd"),
        "asgd": trained(initial, x, y, "asgd"),
    }


document = {"rates": RATES, "epsilon": EPSILON, "steps": STOPS, "cases": [case([4, 6, 5, 1], 9), case([3, 7, 4], 8)]}
print(json.dumps(document, separators=(",", ":")))
