"""Re-derives a sequential run in PyTorch from the saved files alone, for those who distrust us.

    asgd train DATA --init start.safetensors --order sequential --steps K --out RUN
    python3 tests/rederive.py start.safetensors DATA RUN          (needs torch and safetensors)

DATA is a folder of IDX files, of bytes or, for the targets of a regression, of floats. Steps are taken in float64 from the float32
start, with per-sample gradients and counts by comparison with zero, or with the threshold of the counts. Counts of the last step must
agree exactly, parameters to rounding.
"""

import gzip
import json
import pathlib
import sys

import numpy as np
import torch
from safetensors.torch import load_file

start, data, run = map(pathlib.Path, sys.argv[1:])
settings = json.loads((run / "run.json").read_text())["settings"]
assert settings["order"] == "sequential", "the run must have --order sequential"


def idx(stem):
    path = next(p for p in data.iterdir() if p.name.startswith(stem))
    raw = (gzip.open(path) if path.suffix == ".gz" else open(path, "rb")).read()
    values = np.frombuffer(raw, {8: ">u1", 13: ">f4", 14: ">f8"}[raw[2]], offset=4 * (1 + raw[3]))
    count = int.from_bytes(raw[4:8], "big")
    return torch.tensor(values.reshape(count, -1).astype(values.dtype.newbyteorder("=")))


is_regression = settings.get("loss") == "mse"
labels, inputs = idx("train-labels"), idx("train-images")
inputs = inputs.double() / 255 if inputs.dtype == torch.uint8 else inputs.float().double()
model, saved_counts = load_file(run / "model.safetensors"), load_file(run / "counts.safetensors")
if is_regression:  # as the run scaled them, in float64 and rounded once to float32
    targets = labels.float().double()
    if "target_scale.shift" in model:
        targets = ((targets - model["target_scale.shift"]) / model["target_scale.divisor"]).float().double()
else:
    labels = labels.long()[:, 0]
first = load_file(start)
if "scale.shift" in first:  # as the model's other inputs, in float64 and rounded once to float32
    inputs = (((inputs.float().double() - first["scale.shift"]) / first["scale.divisor"]).float()).double()
first = {name: values for name, values in first.items() if not name.startswith(("scale.", "target_scale."))}
numbers = sorted({int(name.split(".")[-2]) for name in first})
prefix = next(iter(first)).rsplit(".", 2)[0]
layers = [[first[f"{prefix}.{n}.{kind}"].double() for kind in ("weight", "bias")] for n in numbers]

m, lr, epsilon = settings["batch_size"], settings["learning_rate"], settings["epsilon"]
threshold = settings.get("count_threshold", 0.0)
name, _, slope = settings.get("activation", "relu").partition(":")
phi = {
    "relu": torch.nn.ReLU(),
    "leaky-relu": torch.nn.LeakyReLU(float(slope or 0)),
    "elu": torch.nn.ELU(),
    "gelu": torch.nn.GELU(),
    "silu": torch.nn.SiLU(),
    "tanh": torch.nn.Tanh(),
    "sigmoid": torch.nn.Sigmoid(),
}[name]
per_epoch = -(-len(labels) // m)
for step in range(settings["steps"]):
    begin = step % per_epoch * m
    x, y = inputs[begin : begin + m], (targets if is_regression else labels)[begin : begin + m]
    activations, slopes = [x], []
    for number, (weight, bias) in enumerate(layers):
        z = (activations[-1] @ weight.T + bias).requires_grad_()
        a = z if number + 1 == len(layers) else phi(z)
        slopes.append(torch.autograd.grad(a.sum(), z)[0])
        activations.append(a.detach())
    logits = activations[-1]
    if is_regression:
        delta = 2 * (logits - y) / logits.shape[1]
    elif logits.shape[1] == 1:
        delta = torch.sigmoid(logits) - y[:, None]
    else:
        delta = torch.softmax(logits, 1) - torch.nn.functional.one_hot(y, logits.shape[1])
    counts = [None] * len(layers)
    for number in reversed(range(len(layers))):
        weight, bias = layers[number]
        below = activations[number]
        gradients = delta[:, :, None] * below[:, None, :]  # per sample: (m, out, in)
        counted = delta.abs() > threshold * delta.abs().amax(0)
        both = counted[:, :, None] & (below.abs() > threshold)[:, None, :]
        sums, c = [gradients.sum(0), delta.sum(0)], [both.sum(0), counted.sum(0)]
        counts[number] = c
        if number > 0:
            delta = (delta @ weight) * slopes[number - 1]
        for index, (s, count) in enumerate(zip(sums, c)):
            if settings["optimizer"] == "asgd":
                moved = layers[number][index] - lr * s / (count + epsilon)
                layers[number][index] = torch.where(count == 0, layers[number][index], moved)
            else:
                layers[number][index] = layers[number][index] - lr * s / len(x)

worst, different, total = 0.0, 0, 0
for number, (values, c) in enumerate(zip(layers, counts)):
    for kind, value, count in zip(("weight", "bias"), values, c):
        name = f"layers.{number}.{kind}"
        worst = max(worst, (model[name].double() - value).abs().max().item())
        different += (saved_counts[name] != count).sum().item()
        total += count.numel()
print(f"{settings['steps']} steps: largest difference of a parameter {worst:.2e}, {different} of {total} counts differ")
sys.exit(0 if different == 0 and worst < 1e-4 else 1)
