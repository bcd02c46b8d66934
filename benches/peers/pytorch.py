"""Microseconds of one step of R replicas in PyTorch: 784-30-20-10, batch 64, on MNIST.

Run: python3 benches/peers/pytorch.py FORM REPLICAS STEPS THREADS      (PyTorch 2; ASGD_DATA_DIR)

FORM autograd  SGD with nn.Sequential, autograd and torch.optim, one replica
     batched   aSGD by hand: one matrix product for a layer's gradient sums, one of the masks for its counts, in
               place and without autograd; bmm over replicas; on a GPU the step is a CUDA graph
     counted   aSGD from per-sample gradients (torch.func.vmap of grad), counted one by one, one replica
     matmul    GFLOP/s of a 4096 x 4096 x 4096 product in fp32 (TF32 off) instead
"""

import sys
import time

import torch

import mnist_file

form, replicas, steps, threads = sys.argv[1], *map(int, sys.argv[2:5])
torch.set_num_threads(threads)
torch.manual_seed(0)
torch.backends.cuda.matmul.allow_tf32 = False
device = "cuda" if torch.cuda.is_available() else "cpu"
WIDTHS, BATCH, LR, EPSILON = [784, 30, 20, 10], 64, 0.005, 1e-8


def wait():
    if device == "cuda":
        torch.cuda.synchronize()


def timed(run):
    """Microseconds of one of `steps` calls."""
    for index in range(steps // 4 + 10):
        run(index)
    wait()
    start = time.perf_counter()
    for index in range(steps):
        run(index)
    wait()
    return (time.perf_counter() - start) / steps * 1e6


if form == "matmul":
    a, b = (torch.randn(4096, 4096, device=device) for _ in range(2))
    print(f"{2 * 4096**3 / timed(lambda index: torch.mm(a, b)) / 1e3:.1f}")
    sys.exit()

pixels, digits = mnist_file.load()
images = torch.tensor(pixels, dtype=torch.float32, device=device) / 255
labels = torch.tensor(digits, dtype=torch.long, device=device)
targets = torch.nn.functional.one_hot(labels, 10).float()
# Shuffled once, so that a batch is a slice: kinder to PyTorch than drawing each batch anew.
order = torch.randperm(len(images), device=device)
images, labels, targets = images[order], labels[order], targets[order]
BATCHES = len(images) // BATCH


def batch(values, index):
    first = index % BATCHES * BATCH
    return values[first : first + BATCH]


def weight_of(inputs, outputs, *lead):
    return torch.randn(*lead, outputs, inputs, device=device) * (2 / inputs) ** 0.5


if form == "autograd":
    layers = []
    for inputs, outputs in zip(WIDTHS, WIDTHS[1:]):
        layers += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
    network = torch.nn.Sequential(*layers[:-1]).to(device)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05)

    def run(index):
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(network(batch(images, index)), batch(labels, index)).backward()
        optimizer.step()

elif form == "counted":
    parameters = {f"w{l}": weight_of(i, o) for l, (i, o) in enumerate(zip(WIDTHS, WIDTHS[1:]))}
    parameters |= {f"b{l}": torch.zeros(o, device=device) for l, o in enumerate(WIDTHS[1:])}

    def loss(p, image, label):
        a = image
        for layer in range(3):
            a = torch.nn.functional.linear(a, p[f"w{layer}"], p[f"b{layer}"])
            a = torch.relu(a) if layer < 2 else a
        return torch.nn.functional.cross_entropy(a, label)

    per_sample = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))

    def run(index):
        for name, gradients in per_sample(parameters, batch(images, index), batch(labels, index)).items():
            parameters[name] -= LR * gradients.sum(0) / ((gradients != 0).sum(0) + EPSILON)

else:
    # Samples are rows; with R > 1 everything has a leading replica axis and the products are bmm.
    lead = (replicas,) if replicas > 1 else ()
    weights = [weight_of(i, o, *lead) for i, o in zip(WIDTHS, WIDTHS[1:])]
    biases = [torch.zeros(*lead, 1, o, device=device) for o in WIDTHS[1:]]

    def step(image, target):
        activations, masks = [image], [(image != 0).float()]
        for layer, (weight, bias) in enumerate(zip(weights, biases)):
            if replicas > 1:
                z = torch.baddbmm(bias, activations[-1], weight.mT)
            else:
                z = torch.addmm(bias, activations[-1], weight.mT)
            if layer < 2:
                z.relu_()
                masks.append((z > 0).float())
            activations.append(z)
        delta = torch.softmax(activations[-1], -1).sub_(target)
        for layer in (2, 1, 0):
            counted = (delta != 0).float()
            below = (delta @ weights[layer]).mul_(masks[layer]) if layer else None
            weights[layer].sub_((delta.mT @ activations[layer]).div_((counted.mT @ masks[layer]).add_(EPSILON)), alpha=LR)
            biases[layer].sub_(delta.sum(-2, True).div_(counted.sum(-2, True).add_(EPSILON)), alpha=LR)
            delta = below

    def draw(values, index):
        if replicas == 1:
            return batch(values, index)
        return torch.stack([batch(values, index + 7 * replica) for replica in range(replicas)])

    if device == "cuda":
        static = draw(images, 0).clone(), draw(targets, 0).clone()
        wide_images, wide_targets = (torch.stack([draw(v, i) for i in range(8)]) for v in (images, targets))
        with torch.inference_mode():
            step(*static)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                step(*static)

        def run(index):
            static[0].copy_(wide_images[index % 8])
            static[1].copy_(wide_targets[index % 8])
            graph.replay()

    else:

        @torch.inference_mode()
        def run(index):
            step(draw(images, index), draw(targets, index))


print(f"{timed(run):.1f}")
