"""Microseconds of one hand-batched aSGD step in PyTorch on the CPU: 784-30-20-10, batch 64.

Run: python3 benches/peers/pytorch.py THREADS    (PyTorch 2)

The best one can write by hand: no autograd, one matrix product for the gradient sums of a layer and one of the
masks for its counts, parameters updated in place.
"""

import sys
import time

import torch

torch.set_num_threads(int(sys.argv[1]))
torch.manual_seed(0)
WIDTHS, BATCH, LR, EPSILON = [784, 30, 20, 10], 64, 0.005, 1e-8
weights = [torch.randn(o, i) * (2 / i) ** 0.5 for i, o in zip(WIDTHS, WIDTHS[1:])]
biases = [torch.zeros(o) for o in WIDTHS[1:]]
inputs = torch.rand(60_000, 784) * (torch.rand(60_000, 784) < 0.191)
targets = torch.eye(10)[torch.randint(0, 10, (60_000,))]


@torch.inference_mode()
def step(index):
    first = index * BATCH % 59_968
    activations = [inputs[first : first + BATCH]]
    masks = [(activations[0] != 0).float()]
    for layer, (weight, bias) in enumerate(zip(weights, biases)):
        z = torch.addmm(bias, activations[-1], weight.t())
        if layer + 1 < len(weights):
            z.relu_()
            masks.append((z > 0).float())
        activations.append(z)
    delta = torch.softmax(activations[-1], 1).sub_(targets[first : first + BATCH])
    for layer in reversed(range(len(weights))):
        nonzero = (delta != 0).float()
        below = (delta @ weights[layer]).mul_(masks[layer]) if layer else None
        weights[layer].sub_((delta.t() @ activations[layer]).div_((nonzero.t() @ masks[layer]).add_(EPSILON)), alpha=LR)
        biases[layer].sub_(delta.sum(0).div_(nonzero.sum(0).add_(EPSILON)), alpha=LR)
        delta = below


for index in range(300):
    step(index)
STEPS = 1000
start = time.perf_counter()
for index in range(STEPS):
    step(index)
print(f"{(time.perf_counter() - start) / STEPS * 1e6:.1f}")
