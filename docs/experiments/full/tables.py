#!/usr/bin/env python3
"""Tables 1 and 2, and what docs/experiments.md says beside them, from the curves of all 1,500 trainings: no code of asgd's, Python alone."""

import csv
import lzma
import statistics
from pathlib import Path

CURVES = Path(__file__).parent / "experiment-3-curves.csv.xz"
REACHED = 0.25


def main():
    rows = {}
    with lzma.open(CURVES, "rt") as curves:
        for line in csv.DictReader(curves):
            name = line["method"], float(line["learning_rate"]), float(line["epsilon"]) if line["method"] == "asgd" else None
            point = [float(line[key]) for key in ("train_accuracy", "train_loss", "test_accuracy", "test_loss")]
            rows.setdefault(name, {}).setdefault(int(line["seed"]), []).append(point)
    print("row | trainings | train accuracy | train loss | test accuracy | test loss | rise to epoch 500 | epochs to 0.25 (of how many)")
    for (method, rate, epsilon), trainings in sorted(rows.items(), key=lambda row: (row[0][0], row[0][2] or 0, row[0][1])):
        best = [min(points, key=lambda point: point[3]) for points in trainings.values()]
        cells = [spread(values) for values in zip(*best)]
        rise = spread(points[-1][3] - lowest[3] for points, lowest in zip(trainings.values(), best))
        firsts = [next((epoch for epoch, point in enumerate(points) if point[3] <= REACHED), None) for points in trainings.values()]
        reached = [epoch for epoch in firsts if epoch is not None]
        epochs = f"{statistics.mean(reached):.0f} ({len(reached)})" if reached else "none"
        name = f"{method} {rate}" + (f", epsilon {epsilon:g}" if epsilon is not None else "")
        print(" | ".join([name, str(len(trainings)), *cells, rise, epochs]))


def spread(values):
    values = list(values)
    return f"{statistics.mean(values):.4f} ± {statistics.stdev(values):.4f}"


if __name__ == "__main__":
    main()
