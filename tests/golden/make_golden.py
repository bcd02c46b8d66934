"""Makes golden.json: one aSGD and one SGD step of two small networks, from PyTorch's autograd in float64.

Run: python3 tests/golden/make_golden.py > tests/golden/golden.json   (PyTorch 2, any recent version)

Every per-sample gradient comes from autograd on that sample alone, and the adaptive batch size counts its
non-zero entries: the textbook way, which shares nothing with the engine.
"""

import json

import torch

torch.manual_seed(20221014)
torch.set_default_dtype(torch.float64)
LR, EPSILON = 0.05, 1e-8


def network(widths):
    layers = []
    for inputs, outputs in zip(widths, widths[1:]):
        # Parameters and inputs are exact in float32, so that the engine starts from the same numbers.
        weight = (torch.randn(outputs, inputs) * (2 / inputs) ** 0.5).float().double()
        bias = (0.1 * torch.randn(outputs)).float().double()
        layers.append((weight.requires_grad_(), bias.requires_grad_()))
    return layers


def loss_of(layers, x, y):
    for weight, bias in layers[:-1]:
        x = torch.relu(weight @ x + bias)
    weight, bias = layers[-1]
    logits = weight @ x + bias
    if len(logits) == 1:
        return torch.nn.functional.binary_cross_entropy_with_logits(logits[0], y.double())
    return torch.nn.functional.cross_entropy(logits[None], y[None])


def case(widths, samples):
    layers = network(widths)
    inputs = torch.randn(samples, widths[0]).float().double()
    inputs[torch.rand_like(inputs) < 0.4] = 0.0
    labels = torch.randint(0, max(widths[-1], 2), (samples,))
    parameters = [p for layer in layers for p in layer]
    sums = [torch.zeros_like(p) for p in parameters]
    counts = [torch.zeros_like(p, dtype=torch.int64) for p in parameters]
    loss_sum = 0.0
    for x, y in zip(inputs, labels):
        loss = loss_of(layers, x, y)
        loss_sum += loss.item()
        for s, c, g in zip(sums, counts, torch.autograd.grad(loss, parameters)):
            s += g
            c += g != 0
    with torch.no_grad():
        asgd = [torch.where(c == 0, p, p - LR * s / (c + EPSILON)) for p, s, c in zip(parameters, sums, counts)]
        sgd = [p - LR * s / samples for p, s in zip(parameters, sums)]
    def flat(tensors):
        return [t.detach().flatten().tolist() for t in tensors]

    return {
        "widths": widths,
        "inputs": inputs.flatten().tolist(),
        "labels": labels.tolist(),
        "parameters": flat(parameters),
        "loss_sum": loss_sum,
        "sums": flat(sums),
        "counts": flat(counts),
        "asgd": flat(asgd),
        "sgd": flat(sgd),
    }


print(json.dumps({"learning_rate": LR, "epsilon": EPSILON, "cases": [case([5, 6, 4, 3], 11), case([2, 4, 3, 1], 9)]}))
