"""A sweep on MNIST beside the same trainings one after the other: 2 optimizers x 6 rates x 3 widths x 10 replicas, 3 epochs.

    python3 benches/sweep.py [ASGD]        needs ASGD_DATA_DIR; ASGD is target/release/asgd

Every network of the sweep must equal its training alone, byte for byte. Prints Markdown; takes some minutes.
"""

import itertools
import json
import pathlib
import subprocess
import sys
import tempfile
import time

ASGD = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "target/release/asgd").resolve()
OPTIMIZERS = ["asgd", "sgd"]
RATES = ["0.001", "0.003", "0.01", "0.03", "0.1", "0.3"]
HIDDEN = ["10,10", "30,20", "60,40"]
REPLICAS = 10
COMMON = ["train", "mnist", "--epochs", "3", "--validation", "0.1", "--quiet"]


def run(folder, *words):
    start = time.perf_counter()
    subprocess.run([ASGD, *COMMON, *words], check=True, cwd=folder)
    return time.perf_counter() - start


def tensors(path):
    """The tensors of a file: (shape, bytes) by name."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    body = data[8 + length :]
    return {name: (entry["shape"], body[slice(*entry["data_offsets"])]) for name, entry in header.items()}


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sweep-"))
    hidden = [word for widths in HIDDEN for word in ("--hidden", widths)]
    grid = ["--optimizer", ",".join(OPTIMIZERS), "--lr", ",".join(RATES), *hidden]
    of_sweep = run(folder, *grid, "--replicas", str(REPLICAS), "--out", "sweep")
    alone, networks = 0.0, 0
    for cell, (widths, optimizer, rate) in enumerate(itertools.product(HIDDEN, OPTIMIZERS, RATES), 1):
        together = tensors(folder / f"sweep/models/cell-{cell}.safetensors")
        for replica in range(REPLICAS):
            settings = ["--hidden", widths, "--optimizer", optimizer, "--lr", rate, "--seed", str(replica)]
            alone += run(folder, *settings, "--out", "alone")
            networks += 1
            for name, (shape, data) in tensors(folder / "alone/model.safetensors").items():
                whole = together[name][1]
                size = len(whole) // REPLICAS
                assert whole[replica * size : (replica + 1) * size] == data, (cell, replica, name)
    print(f"| {networks} trainings of 3 epochs on MNIST | seconds |\n|---|---|")
    print(f"| as one sweep | {of_sweep:.1f} |\n| one process after the other | {alone:.1f} |")
    print(f"\nThe sweep takes 1/{alone / of_sweep:.1f} of the time. All {networks} networks are the same, byte for byte.\n")
    print((folder / "sweep/sweep.csv").read_text())


main()
