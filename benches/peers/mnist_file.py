"""MNIST's training set as every peer reads it: images (60000, 784) in [0, 1] and labels, from the IDX files."""

import gzip
import os
import pathlib

import numpy as np


def load():
    """Raw pixels (n, 784) as uint8 and labels (n) as uint8."""
    folder = pathlib.Path(os.environ["ASGD_DATA_DIR"]) / "mnist"

    def read(name, offset):
        path = folder / name
        if path.exists():
            data = path.read_bytes()
        else:
            data = gzip.decompress((folder / f"{name}.gz").read_bytes())
        return np.frombuffer(data, np.uint8, offset=offset)

    return read("train-images-idx3-ubyte", 16).reshape(-1, 784), read("train-labels-idx1-ubyte", 8)
