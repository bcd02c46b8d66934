"""Holds the test loss of a run with --batch-norm against PyTorch's evaluation of its model.safetensors, for those who distrust us.

    asgd train DATA --batch-norm --steps K --out RUN
    python3 tests/check_batch_norm.py DATA RUN          (needs torch and safetensors)

DATA is a folder of IDX files, RUN of one replica. The network is an nn.Sequential with BatchNorm1d, in float64, not folded.
"""

import csv
import gzip
import pathlib
import sys

import numpy as np
import torch
from safetensors.torch import load_file

data, run = map(pathlib.Path, sys.argv[1:])


def idx(stem, axes):
    path = next(p for p in data.iterdir() if p.name.startswith(stem))
    raw = (gzip.open(path) if path.suffix == ".gz" else open(path, "rb")).read()
    return np.frombuffer(raw, np.uint8, offset=4 * (1 + axes)).copy()


labels = torch.tensor(idx("t10k-labels", 1), dtype=torch.int64)
inputs = torch.tensor(idx("t10k-images", 3)).reshape(len(labels), -1).double() / 255
tensors = load_file(run / "model.safetensors")
modules = []
count = sum(name.startswith("layers.") and name.endswith(".weight") for name in tensors)
for layer in range(count):
    weight = tensors[f"layers.{layer}.weight"]
    linear = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=layer + 1 == count)
    linear.load_state_dict({name: tensors[f"layers.{layer}.{name}"] for name in linear.state_dict()})
    modules.append(linear)
    if layer + 1 < count:
        norm = torch.nn.BatchNorm1d(weight.shape[0])
        own = {name: tensors[f"norms.{layer}.{name}"] for name in ("weight", "bias", "running_mean", "running_var")}
        norm.load_state_dict(own | {"num_batches_tracked": torch.tensor(0)})
        modules += [norm, torch.nn.ReLU()]
logits = torch.nn.Sequential(*modules).double().eval()(inputs)
if logits.shape[1] == 1:
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits[:, 0], labels.double()).item()
else:
    loss = torch.nn.functional.cross_entropy(logits, labels).item()
said = float(list(csv.DictReader(open(run / "metrics.csv")))[-1]["test_loss"])
print(f"test loss {said} said, {loss} by PyTorch")
sys.exit(0 if abs(loss - said) < 1e-5 * loss else 1)
