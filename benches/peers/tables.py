"""Accuracies on three tables without any option, asgd beside scikit-learn's MLPClassifier on standardised inputs, with the
same training and test rows, a mean over five splits.

    python3 benches/peers/tables.py [ASGD]        needs scikit-learn and numpy; ASGD is target/release/asgd
"""

import csv
import json
import pathlib
import subprocess
import sys
import tempfile
import warnings

import numpy as np
from sklearn import datasets
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

SPLITS = 5
warnings.filterwarnings("ignore", module="sklearn")


def customers():
    """1,000 rows of seven columns of very different scales."""
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 2, 1000)
    columns = [
        rng.normal(40, 12, 1000) + 4 * kind,
        rng.lognormal(10.5, 0.6, 1000) * (1 + 0.3 * kind),
        rng.integers(0, 2, 1000),
        rng.normal(650, 80, 1000) + 25 * kind,
        rng.poisson(3 + kind),
        rng.normal(0, 1e-3, 1000) + 5e-4 * kind,
        rng.normal(2e5, 8e4, 1000),
    ]
    return np.column_stack(columns), kind


TABLES = {
    "breast cancer": datasets.load_breast_cancer(return_X_y=True),
    "wine": datasets.load_wine(return_X_y=True),
    "customers": customers(),
}


def write(path, inputs, labels=None):
    """A table of the inputs, and of the labels as text if there are any."""
    names = None if labels is None else [f"class {label}" for label in labels]
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([f"x{index}" for index in range(inputs.shape[1])] + ["kind"] * (names is not None))
        writer.writerows([*map(repr, map(float, row)), *(names[index : index + 1] if names else [])] for index, row in enumerate(inputs))


def ours(asgd, train, test):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        write(folder / "train.csv", *train)
        write(folder / "test.csv", *test)
        command = [asgd, "train", folder / "train.csv", "--test", folder / "test.csv", "--quiet", "--json", "--out", folder / "run"]
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["test_accuracy"]


def theirs(seed, train, test):
    scaler = StandardScaler().fit(train[0])
    network = MLPClassifier((10, 10), max_iter=1000, random_state=seed).fit(scaler.transform(train[0]), train[1])
    return network.score(scaler.transform(test[0]), test[1])


def scores(asgd, inputs, labels):
    """(splits, 2): the accuracies of both on the same test rows."""
    pairs = []
    for seed in range(SPLITS):
        a, b, c, d = train_test_split(inputs, labels, test_size=0.3, random_state=seed)
        pairs.append((ours(asgd, (a, c), (b, d)), theirs(seed, (a, c), (b, d))))
    return np.array(pairs)


def main():
    asgd = sys.argv[1] if len(sys.argv) > 1 else "target/release/asgd"
    print("| table | rows x features | asgd | scikit-learn |\n|---|---|---|---|")
    for name, (inputs, labels) in TABLES.items():
        pairs = scores(asgd, inputs, labels)
        cells = [f"{m:.3f} ± {s:.3f}" for m, s in zip(np.mean(pairs, axis=0), np.std(pairs, axis=0, ddof=1))]
        print(f"| {name} | {inputs.shape[0]} x {inputs.shape[1]} | {cells[0]} | {cells[1]} |")


if __name__ == "__main__":
    main()
