"""What every peer trains: data, batches and first parameters of a workload, in a folder of plain files.

Run: python3 workloads.py NAME FOLDER      writes the folder; NAME as `asgd bench` takes it (numpy; ASGD_DATA_DIR)

shape         two lines of numbers: widths; batch size, replicas, steps; then the optimizer, asgd or adam
inputs.f32    (samples, features), MNIST's pixels in [0, 1]
labels.i32    (samples)
order.i32     (replicas, steps, batch size): indices of samples, a new permutation for every epoch and replica
initial.f32   (replicas, parameters): a layer's weight (outputs, inputs), then its bias, then the next layer's

A peer is called with the folder and a number of seconds. It does all steps once, then again and again until that time has
passed, and prints the microseconds of a step. Called with the folder and a file's name, it does CHECKED steps and writes
its parameters, as in initial.f32, for check.py.
"""

import dataclasses
import gzip
import os
import pathlib
import sys
import time

import numpy as np

LEARNING_RATE, EPSILON = 0.005, 1e-8
CHECKED = 3

# Widths, batch size, and how many steps a pass has: about a second's work for 16 networks or one wide one.
FAMILIES = {
    "mnist": ([784, 30, 20, 10], 64, 937),
    "wide": ([784, 512, 512, 10], 256, 60),
    "circles": ([2, 10, 10, 10, 10, 10, 1], 128, 210),
}
# FAMILY-adam-RN: the same by Adam, with its usual numbers, on the mean gradient.
ADAM = {"learning_rate": 0.001, "b1": 0.9, "b2": 0.999, "eps": 1e-8}


@dataclasses.dataclass
class Workload:
    widths: list
    batch_size: int
    replicas: int
    steps: int
    optimizer: str
    inputs: np.ndarray
    labels: np.ndarray
    order: np.ndarray
    initial: np.ndarray

    def layers(self, parameters):
        """[(weight (replicas, outputs, inputs), bias (replicas, outputs))] of (replicas, parameters)."""
        result, first = [], 0
        for inputs, outputs in zip(self.widths, self.widths[1:]):
            middle, last = first + inputs * outputs, first + (inputs + 1) * outputs
            result.append((parameters[:, first:middle].reshape(-1, outputs, inputs), parameters[:, middle:last]))
            first = last
        return result

    def flat(self, layers):
        """The inverse of `layers`."""
        parts = [np.asarray(part).reshape(self.replicas, -1) for layer in layers for part in layer]
        return np.concatenate(parts, 1)

    def targets(self):
        """(samples, outputs): one-hot, or the label where the output is one sigmoid unit."""
        units = self.widths[-1]
        return self.labels[:, None].astype(np.float32) if units == 1 else np.eye(units, dtype=np.float32)[self.labels]


def mnist():
    folder = pathlib.Path(os.environ["ASGD_DATA_DIR"]) / "mnist"

    def read(name, offset):
        path = folder / name
        data = path.read_bytes() if path.exists() else gzip.decompress((folder / f"{name}.gz").read_bytes())
        return np.frombuffer(data, np.uint8, offset=offset)

    pixels = read("train-images-idx3-ubyte", 16).reshape(-1, 784)
    return pixels.astype(np.float32) / 255, read("train-labels-idx1-ubyte", 8).astype(np.int32)


def circles(rng, samples=1280):
    """As src/bin/asgd/bench/workload.rs: two rings, 7:3 split; the 896 training samples are 7 batches of 128, none of them short."""
    angles = np.arange(samples) % (samples // 2) * (2 * np.pi / (samples // 2))
    labels = np.arange(samples) // (samples // 2)
    radius = np.where(labels == 0, 1.0, 0.5)
    points = np.stack([radius * np.cos(angles), radius * np.sin(angles)], 1) + 0.1 * rng.standard_normal((samples, 2))
    train = rng.permutation(samples)[: samples * 7 // 10]
    return points[train].astype(np.float32), labels[train].astype(np.int32)


def make(name, folder):
    family, replicas = name.rsplit("-R", 1)
    optimizer = "adam" if family.endswith("-adam") else "asgd"
    family = family.removesuffix("-adam")
    (widths, batch_size, steps), replicas = FAMILIES[family], int(replicas)
    rng = np.random.default_rng(0)
    inputs, labels = circles(rng) if family == "circles" else mnist()
    batches = len(inputs) // batch_size

    def epoch():
        return rng.permutation(len(inputs))[: batches * batch_size].reshape(batches, batch_size)

    orders = [np.concatenate([epoch() for _ in range(-(-steps // batches))])[:steps] for _ in range(replicas)]
    layers = []
    for below, above in zip(widths, widths[1:]):
        layers.append(rng.standard_normal((replicas, above * below)) * (2 / below) ** 0.5)
        layers.append(np.zeros((replicas, above)))
    folder.mkdir(parents=True, exist_ok=True)
    inputs.tofile(folder / "inputs.f32")
    labels.tofile(folder / "labels.i32")
    np.stack(orders).astype(np.int32).tofile(folder / "order.i32")
    np.concatenate(layers, 1).astype(np.float32).tofile(folder / "initial.f32")
    lines = [widths, [batch_size, replicas, steps], [optimizer]]
    (folder / "shape").write_text("".join(" ".join(map(str, line)) + "\n" for line in lines))


def load(folder):
    folder = pathlib.Path(folder)
    *numbers, optimizer = (folder / "shape").read_text().splitlines()
    widths, (batch_size, replicas, steps) = [[int(number) for number in line.split()] for line in numbers]
    return Workload(
        widths,
        batch_size,
        replicas,
        steps,
        optimizer,
        np.fromfile(folder / "inputs.f32", np.float32).reshape(-1, widths[0]),
        np.fromfile(folder / "labels.i32", np.int32),
        np.fromfile(folder / "order.i32", np.int32).reshape(replicas, steps, batch_size),
        np.fromfile(folder / "initial.f32", np.float32).reshape(replicas, -1),
    )


def microseconds(one_pass, steps, seconds):
    """Microseconds of a step, where `one_pass` does `steps` of them and waits for them."""
    one_pass()
    passes, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        one_pass()
        passes += 1
    return elapsed / passes / steps * 1e6


if __name__ == "__main__":
    make(sys.argv[1], pathlib.Path(sys.argv[2]))
