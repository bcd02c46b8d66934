"""Makes batch_norm.json: 50 steps of SGD, Adam and AdamW on a small network with torch.nn.BatchNorm1d, in float64, in batches of which
the last is short, and the adaptive batch sizes of the first step, counted gradient by gradient.

Run: python3 tests/golden/make_batch_norm.py > tests/golden/batch_norm.json   (PyTorch 2, any recent version)

Numbers that an engine gets are exact in float32: parameters, inputs, learning rates and the rules' own.
"""

import json

import numpy
import torch

torch.manual_seed(863)
torch.set_default_dtype(torch.float64)
WIDTHS, SAMPLES, BATCH, STOPS = [4, 6, 5, 3], 20, 8, [1, 2, 3, 50]
exact = lambda number: float(numpy.float32(number))
adam = {"betas": (exact(0.9), exact(0.999)), "eps": exact(1e-8)}
RULES = [
    ("sgd", 0.1, 0.0, torch.optim.SGD, {}),
    ("momentum", 0.01, 0.05, torch.optim.SGD, {"momentum": exact(0.9)}),
    ("adam", 0.01, 0.0, torch.optim.Adam, adam),
    ("adamw", 0.01, 0.05, torch.optim.AdamW, adam),
]


def network():
    """All layers but the last without biases of their own."""
    modules = []
    for inputs, outputs in zip(WIDTHS, WIDTHS[1:-1]):
        modules += [torch.nn.Linear(inputs, outputs, bias=False), torch.nn.BatchNorm1d(outputs, eps=exact(1e-5), momentum=exact(0.1)), torch.nn.ReLU()]
    return torch.nn.Sequential(*modules, torch.nn.Linear(*WIDTHS[-2:]))


def numbers(tensors):
    """Nine digits are enough for a float32."""
    return [float(f"{number:.9g}") for tensor in tensors for number in tensor.detach().flatten().tolist()]


def flat(model):
    """Layer after layer: weights, then the bias, or beta, gamma, running mean and running variance."""
    tensors = []
    for linear, norm in zip(model[::3], [*model[1::3], None]):
        tensors += [linear.weight] + ([linear.bias] if norm is None else [norm.bias, norm.weight, norm.running_mean, norm.running_var])
    return numbers(tensors)


def counts(model, x, y):
    """Row by row: of each weight, then of the bias, or of beta, gamma and (0) the running ones. A weight counts samples whose input
    and whose gradient after the normalization (or, of the last layer, at the logits) are not zero."""
    a, rows = x, []
    for linear, norm in zip(model[::3], [*model[1::3], None]):
        outputs = linear(a) if norm is None else norm(linear(a))
        outputs.retain_grad()
        rows.append((a, outputs))
        a = torch.relu(outputs)
    torch.nn.functional.cross_entropy(outputs, y).backward()
    found = []
    for a, outputs in rows:
        active = (outputs.grad != 0).int()
        of_weights = active.T @ (a != 0).int()
        for neuron in range(outputs.shape[1]):
            own = active[:, neuron].sum().item()
            found += of_weights[neuron].tolist() + ([own] if outputs is rows[-1][1] else [own, own, 0, 0])
    return found


start = network()
for module in start.modules():
    for parameter in module.parameters(recurse=False):
        if isinstance(module, torch.nn.BatchNorm1d):
            parameter.data += 0.2 * torch.randn_like(parameter)
        parameter.data = parameter.data.float().double()
x = torch.randn(SAMPLES, WIDTHS[0]).float().double()
x[torch.rand_like(x) < 0.3] = 0.0
x[:, 1] = 0.0  # an input that is inactive in every batch
y = torch.randint(0, WIDTHS[-1], (SAMPLES,))

trajectories = []
for name, rate, decay, make, own in RULES:
    rate, decay = exact(rate), exact(decay)
    model = network()
    model.load_state_dict(start.state_dict())
    first = network()
    first.load_state_dict(start.state_dict())
    optimizer = make(model.parameters(), lr=rate, weight_decay=decay, **own)
    stops, losses = [], []
    for step in range(1, STOPS[-1] + 1):
        begin = (step - 1) % -(-SAMPLES // BATCH) * BATCH
        batch = slice(begin, begin + BATCH)
        model.train()
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
        optimizer.step()
        if step in STOPS:
            stops.append(flat(model))
            model.eval()
            losses.append(torch.nn.functional.cross_entropy(model(x), y).item())
    trajectories.append({"rule": name, "learning_rate": rate, "weight_decay": decay, "parameters": stops, "losses": losses, "counts": counts(first, x[:BATCH], y[:BATCH])})
document = {
    "widths": WIDTHS,
    "batch_size": BATCH,
    "inputs": numbers([x]),
    "labels": y.tolist(),
    "initial": flat(start),
    "steps": STOPS,
    "trajectories": trajectories,
}
print(json.dumps(document, separators=(",", ":")))
