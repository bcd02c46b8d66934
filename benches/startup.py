"""What a start costs: `asgd train --steps 1` from the start of the process to its end, and the memory of 16 networks.

Run: python3 benches/startup.py [RUNS]      (target/release/asgd; ASGD_DATA_DIR for MNIST; ASGD_BENCH_DEVICE)
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time

RUNS = int(sys.argv[1]) if len(sys.argv) > 1 else 10
PROGRAM = "target/release/asgd"


def run(*arguments):
    """Seconds, and the peak of the resident memory in MiB."""
    device = os.environ.get("ASGD_BENCH_DEVICE")
    with tempfile.TemporaryDirectory() as folder:
        command = [PROGRAM, "train", *arguments, "--quiet", "--out", f"{folder}/run"]
        command += ["--device", device] if device else []
        start = time.perf_counter()
        child = subprocess.Popen(command)
        # wait4 has the usage of this child alone.
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            sys.exit(f"{' '.join(command)}: exit status {child.returncode}")
    return seconds, usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def measure(name, *arguments):
    runs = [run(*arguments) for _ in range(RUNS)]
    seconds, memory = zip(*runs)
    print(
        f"{name:42} {statistics.median(seconds):8.3f} s ({min(seconds):.3f} to {max(seconds):.3f})"
        f"   {statistics.median(memory):7.0f} MiB"
    )


print(f"{RUNS} runs of `asgd train`, from its start to its end: median (lowest to highest), peak resident memory")
measure("circles, 1 step", "circles", "--steps", "1")
if "ASGD_DATA_DIR" in os.environ:
    measure("MNIST, 1 step", "mnist", "--steps", "1")
    measure("MNIST, 16 replicas, 100 steps", "mnist", "--replicas", "16", "--steps", "100")
