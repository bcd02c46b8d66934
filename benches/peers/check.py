"""Holds a peer's parameters after a few steps against the same steps in float64, as plain as numpy has it.

Run: python3 check.py FOLDER RESULT      (see workloads.py); prints the error, exits with 1 if the peer does something else
"""

import sys

import numpy as np

from workloads import ADAM, CHECKED, EPSILON, LEARNING_RATE, load

# Of the way that a layer's parameters have gone, in the worst layer. float32 leaves 4e-4 at most (an activation may be on
# the other side of 0); a wrong rule 0.4 or more: SGD's mean 0.9, counting inputs that are zero 0.5 to 0.8, biases by SGD 0.7.
TOLERANCE = 1e-3


def adam(theta, g, moments, t):
    m, v = moments
    m += (1 - ADAM["b1"]) * (g - m)
    v += (1 - ADAM["b2"]) * (g * g - v)
    return theta - ADAM["learning_rate"] * m / (1 - ADAM["b1"] ** t) / (np.sqrt(v / (1 - ADAM["b2"] ** t)) + ADAM["eps"])


def step(layers, inputs, targets, moments, t):
    """One step of one replica: aSGD, whose per-sample gradients are counted one by one, nothing assumed of them, or Adam where
    there are moments."""
    activations = [inputs]
    for index, (weight, bias) in enumerate(layers):
        z = activations[-1] @ weight.T + bias
        activations.append(np.maximum(z, 0) if index + 1 < len(layers) else z)
    z = activations[-1]
    if z.shape[1] == 1:
        delta = 1 / (1 + np.exp(-z)) - targets
    else:
        powers = np.exp(z - z.max(1, keepdims=True))
        delta = powers / powers.sum(1, keepdims=True) - targets
    moved = []
    for index in reversed(range(len(layers))):
        weight, bias = layers[index]
        total, count = np.zeros_like(weight), np.zeros_like(weight)
        for sample in range(len(inputs)):
            gradient = np.outer(delta[sample], activations[index][sample])
            total += gradient
            count += gradient != 0
        bias_count = (delta != 0).sum(0)
        if moments:
            means = (total / len(inputs), delta.mean(0))
            moved.append(tuple(map(adam, (weight, bias), means, moments[index], (t, t))))
        else:
            moved.append((
                weight - LEARNING_RATE * total / (count + EPSILON),
                bias - LEARNING_RATE * delta.sum(0) / (bias_count + EPSILON),
            ))
        delta = (delta @ weight) * (activations[index] > 0)
    return moved[::-1]


def main():
    work = load(sys.argv[1])
    result = np.fromfile(sys.argv[2], np.float32).reshape(work.replicas, -1).astype(np.float64)
    targets = work.targets().astype(np.float64)
    # One replica after the other is slow; the first, the last and one between are enough.
    worst = 0
    for replica in sorted({0, work.replicas // 2, work.replicas - 1}):
        initial = work.layers(work.initial[replica : replica + 1].astype(np.float64))
        initial = [(weight[0], bias[0]) for weight, bias in initial]
        layers = initial
        zeros = lambda layer: [(np.zeros_like(part), np.zeros_like(part)) for part in layer]
        moments = [zeros(layer) for layer in initial] if work.optimizer == "adam" else None
        for t, index in enumerate(work.order[replica, :CHECKED], 1):
            layers = step(layers, work.inputs[index].astype(np.float64), targets[index], moments, t)
        peers = work.layers(result[replica : replica + 1])
        for before, after, peer in zip(initial, layers, peers):
            for a, b, c in zip(before, after, peer):
                way = np.linalg.norm(b - a)
                worst = max(worst, np.linalg.norm(c[0] - b) / way if way else np.abs(c[0] - b).max())
    print(f"{worst:.1e}")
    sys.exit(not worst < TOLERANCE and f"differs from float64 by {worst:.1e} of the way")


main()
