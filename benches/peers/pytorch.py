"""aSGD steps in PyTorch by hand: no autograd, in place, one matrix product for a layer's sums and one of masks for its counts.

Run: python3 pytorch.py eager|compiled THREADS FOLDER SECONDS|RESULT      (see workloads.py)
     python3 pytorch.py matmul      GFLOP/s of a 4096 x 4096 x 4096 product in fp32 (TF32 off)

With R > 1 everything has a leading replica axis and the products are bmm. `compiled` gives the step to torch.compile;
on a GPU, `eager` is a CUDA graph.
"""

import sys
import time

import torch

from workloads import CHECKED, EPSILON, LEARNING_RATE, load, microseconds

torch.set_flush_denormal(True)
torch.backends.cuda.matmul.allow_tf32 = False
device = "cuda" if torch.cuda.is_available() else "cpu"


def wait():
    if device == "cuda":
        torch.cuda.synchronize()


def matmul():
    a, b = (torch.randn(4096, 4096, device=device) for _ in range(2))
    for times in (3, 20):
        wait()
        start = time.perf_counter()
        for _ in range(times):
            torch.mm(a, b)
        wait()
    print(f"{2 * 4096**3 * times / (time.perf_counter() - start) / 1e9:.1f}")


def main(form, threads, folder, how):
    torch.set_num_threads(int(threads))
    work = load(folder)
    replicas, layers = work.replicas, len(work.widths) - 1
    lead = (replicas,) if replicas > 1 else ()
    tensors = lambda array: torch.from_numpy(array.copy()).to(device)
    inputs, targets = tensors(work.inputs), tensors(work.targets())
    # (steps, replicas x batch size): the samples of one step are gathered at once.
    order = tensors(work.order.transpose(1, 0, 2).reshape(work.steps, -1)).long()
    weights, biases = [], []
    for weight, bias in work.layers(work.initial):
        weights.append(tensors(weight).reshape(*lead, *weight.shape[1:]))
        biases.append(tensors(bias).reshape(*lead, 1, -1))

    def nonzero(values):
        return (values != 0).to(torch.float32)

    def step(index):
        image = inputs.index_select(0, index).view(*lead, work.batch_size, -1)
        target = targets.index_select(0, index).view(*lead, work.batch_size, -1)
        activations, masks = [image], [nonzero(image)]
        for layer, (weight, bias) in enumerate(zip(weights, biases)):
            product = torch.baddbmm if replicas > 1 else torch.addmm
            z = product(bias, activations[-1], weight.mT)
            if layer + 1 < layers:
                z.relu_()
                masks.append(nonzero(z))
            activations.append(z)
        logits = activations[-1]
        delta = (torch.sigmoid(logits) if work.widths[-1] == 1 else torch.softmax(logits, -1)).sub_(target)
        for layer in reversed(range(layers)):
            counted = nonzero(delta)
            below = (delta @ weights[layer]).mul_(masks[layer]) if layer else None
            counts = (counted.mT @ masks[layer]).add_(EPSILON)
            weights[layer].sub_((delta.mT @ activations[layer]).div_(counts), alpha=LEARNING_RATE)
            counts = counted.sum(-2, True).add_(EPSILON)
            biases[layer].sub_(delta.sum(-2, True).div_(counts), alpha=LEARNING_RATE)
            delta = below

    run = torch.compile(step, fullgraph=True, dynamic=False) if form == "compiled" else step
    if form == "eager" and device == "cuda":
        static = order[0].clone()
        before = [parameter.clone() for parameter in weights + biases]
        graph, side = torch.cuda.CUDAGraph(), torch.cuda.Stream()
        with torch.cuda.stream(side):
            step(static)
        wait()
        with torch.cuda.graph(graph):
            step(static)
        for parameter, value in zip(weights + biases, before):
            parameter.copy_(value)

        def run(index):
            static.copy_(index)
            graph.replay()

    if how.replace(".", "").isdigit():

        def one_pass():
            for index in order:
                run(index)
            wait()

        print(f"{microseconds(one_pass, work.steps, float(how)):.1f}")
    else:
        for index in order[:CHECKED]:
            run(index)
        work.flat([(w.cpu().numpy(), b.cpu().numpy()) for w, b in zip(weights, biases)]).tofile(how)


with torch.inference_mode():
    matmul() if sys.argv[1] == "matmul" else main(*sys.argv[1:5])
