"""Our aSGD step beside PyTorch's, in turn, and the ratio of each pair: 784-30-20-10, batch 64, one replica.

Run: PYTHON benches/peers/compare.py [ROUNDS] [OUTPUT]   (PYTHON has PyTorch; results go to stdout and OUTPUT)
"""

import statistics
import subprocess
import sys

rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
build = ["cargo", "bench", "--quiet", "--bench", "ratio", "--"]
subprocess.run(["cargo", "bench", "--quiet", "--bench", "ratio", "--no-run"], check=True)
version = subprocess.run([sys.executable, "-c", "import torch; print(torch.__version__)"], capture_output=True, text=True, check=True)


def ours():
    out = subprocess.run([*build, "3", "mnist-R1"], capture_output=True, text=True, check=True).stdout
    adapter = next(line for line in out.splitlines() if line.startswith("adapter"))
    return adapter, float(next(line for line in out.splitlines() if line.startswith("mnist-R1")).split()[1])


def pytorch(threads):
    command = [sys.executable, "benches/peers/pytorch.py", str(threads)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


measured = []
for _ in range(rounds):
    adapter, us = ours()
    measured.append((us, pytorch(1), pytorch(2)))


def row(name, values, digits=0):
    return f"| {name} | {statistics.median(values):.{digits}f} | {min(values):.{digits}f} | {max(values):.{digits}f} |"


lines = [
    "# One aSGD step, 784-30-20-10, batch 64, one replica",
    "",
    f"{adapter}; PyTorch {version.stdout.strip()} on the CPU, hand-batched; {rounds} rounds in turn.",
    f"Command: `python3 benches/peers/compare.py {rounds}`",
    "",
    "| | median | lowest | highest |",
    "|---|---|---|---|",
    row("asgd, us/step", [m[0] for m in measured]),
    row("PyTorch, 1 thread, us/step", [m[1] for m in measured]),
    row("PyTorch, 2 threads, us/step", [m[2] for m in measured]),
    row("asgd / the faster PyTorch", [m[0] / min(m[1:]) for m in measured], 2),
]
print("\n".join(lines))
if len(sys.argv) > 2:
    with open(sys.argv[2], "w") as file:
        file.write("\n".join(lines) + "\n")
