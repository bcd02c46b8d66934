"""Faults of the machine: what the user sees, and what is left. Prints a Markdown table; exit code 1 if one is not survived.

    python3 tests/faults.py target/debug/asgd [--device NAME] [FAULT ...]

Needs root for file systems of its own (disk full, read-only), gcc for a clock that goes backwards. Errors of single system calls and kills
are in kills.py.
"""

import argparse
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TRAIN = "train circles --hidden 30,20 --replicas 20 --epochs 60 --eval-every 5 --checkpoint-every 5"
ENDLESS = "train circles --hidden 30,20 --replicas 3 --epochs 10000000 --eval-every 1000 --checkpoint-every 1000"
CLOCK = """
#include <time.h>
#include <sys/time.h>
int clock_gettime(clockid_t id, struct timespec *t) { static long now = 1000000; now -= 7; t->tv_sec = now; t->tv_nsec = 0; return 0; }
int gettimeofday(struct timeval *t, void *z) { static long now = 1000000; now -= 7; t->tv_sec = now; t->tv_usec = 0; return 0; }
time_t time(time_t *t) { static long now = 1000000; now -= 7; if (t) *t = now; return now; }
"""


class Failed(Exception):
    pass


def expect(is_right, problem):
    if not is_right:
        raise Failed(problem)


class Machine:
    """Runs the program in a folder of its own."""

    def __init__(self, asgd, device, folder):
        self.asgd, self.device, self.folder = asgd, device, Path(folder)

    def command(self, words):
        return [self.asgd, *words.split(), "--device", self.device]

    def run(self, words, **options):
        options = {"cwd": self.folder, "stderr": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, **options}
        return subprocess.run(self.command(words), timeout=120, **options)

    def start(self, words, **options):
        options = {"cwd": self.folder, "stderr": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, **options}
        return subprocess.Popen(self.command(words), **options)

    def begun(self, name):
        """A training on its way that has saved a checkpoint."""
        child = self.start(f"{ENDLESS} --quiet --out {name}")
        for _ in range(2000):
            if list((self.folder / name / "checkpoints").glob("*.safetensors")):
                return child
            time.sleep(0.01)
        raise Failed("no checkpoint")

    def whole(self):
        """What a run that nobody disturbs leaves."""
        if not (self.folder / "whole").exists():
            ended = self.run(f"{TRAIN} --quiet --out whole")
            expect(ended.returncode == 0, ended.stderr)
        return results(self.folder / "whole")

    def ends(self, words, name):
        """Brings it to its end, which must be that of an undisturbed run."""
        ended = self.run(words)
        expect(ended.returncode == 0, f"does not go on: {ended.stderr}")
        expect(results(self.folder / name) == self.whole(), "other bits in the end")


def results(run):
    return [(run / name).read_bytes() for name in ("model.safetensors", "counts.safetensors", "metrics.csv")]


def one_line(ended, *words):
    lines = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
    others = [line for line in ended.stderr.splitlines() if "panicked" in line or "abort" in line]
    expect(ended.returncode in (1, 2) and len(lines) == 1 and not others, f"exit code {ended.returncode}: {ended.stderr!r}")
    for word in words:
        expect(word in lines[0], f"'{word}' is missing: {lines[0]}")
    return lines[0].removeprefix("error: ")


def mounted(machine, options):
    place = machine.folder / "disk"
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], check=True)
    return place


def disk_full(machine):
    place = mounted(machine, "size=400k")
    try:
        line = one_line(machine.run(f"{TRAIN} --quiet --out disk/run"), "No space left")
        # Somebody moves it to a larger disk.
        shutil.copytree(place / "run", machine.folder / "moved")
    finally:
        subprocess.run(["umount", str(place)], check=True)
    machine.ends("train --resume moved --quiet", "moved")
    return line, "a run that resumes with the same bits once there is room"


def read_only(machine):
    place = mounted(machine, "ro")
    try:
        return one_line(machine.run(f"{TRAIN} --quiet --out disk/run")), "nothing"
    finally:
        subprocess.run(["umount", str(place)], check=True)


def folder_removed(machine):
    child = machine.begun("run")
    shutil.rmtree(machine.folder / "run", ignore_errors=True)
    ended = ended_of(child)
    return one_line(ended, "run"), "what was removed stays so"


def ended_of(child, timeout=60):
    stdout, stderr = child.communicate(timeout=timeout)
    return subprocess.CompletedProcess(child.args, child.returncode, stdout, stderr)


def two_runs(machine):
    child = machine.begun("run")
    line = one_line(machine.run(f"{TRAIN} --quiet --out run"), "another process")
    child.kill()
    child.communicate()
    return line, "the first run, undisturbed"


def terminated(machine):
    child = machine.begun("run")
    child.send_signal(signal.SIGTERM)
    return one_line(ended_of(child), "interrupted", "--resume"), "all that was trained: it is saved before the end"


def terminated_while_compiling(machine):
    cache = {**os.environ, "MESA_SHADER_CACHE_DISABLE": "true"}
    child = machine.start(f"{ENDLESS} --quiet --out run", env=cache)
    for _ in range(2000):
        if (machine.folder / "run" / "settings.json").exists():
            break
        time.sleep(0.01)
    child.send_signal(signal.SIGTERM)
    return one_line(ended_of(child), "interrupted"), "the steps so far, with a checkpoint"


def reading(machine):
    os.mkfifo(machine.folder / "never.csv")
    child = machine.start("train never.csv --out run")
    time.sleep(0.5)
    child.send_signal(signal.SIGTERM)
    ended = ended_of(child, 10)
    expect(ended.returncode == 130, f"exit code {ended.returncode}")
    expect(not (machine.folder / "run").exists(), "a folder was left")
    return ended.stderr.strip(), "nothing"


def clock(machine):
    library = machine.folder / "clock.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(library)], input=CLOCK, text=True, check=True)
    machine.whole()
    ended = machine.run(f"{TRAIN} --quiet --out run", env={**os.environ, "LD_PRELOAD": str(library)})
    expect(ended.returncode == 0, ended.stderr)
    expect(results(machine.folder / "run") == machine.whole(), "other bits")
    return "nothing: the same bits", "the run"


def closed_streams(machine):
    for words in ("2>&- >&-", "2>/dev/full >/dev/full", "2>&1 | head -c 1 >/dev/null"):
        command = " ".join(map(str, machine.command(f"{TRAIN} --out run")))
        subprocess.run(f"{command} {words}", shell=True, cwd=machine.folder, executable="/bin/sh", timeout=120)
        expect(results(machine.folder / "run") == machine.whole(), f"other bits with {words}")
        shutil.rmtree(machine.folder / "run")
    return "nothing: the run is trained to its end", "the run, with the same bits"


def empty_files(machine):
    (machine.folder / "empty.csv").touch()
    (machine.folder / "empty.npz").touch()
    (machine.folder / "empty.safetensors").touch()
    lines = [one_line(machine.run(f"train empty.{kind}")) for kind in ("csv", "npz")]
    lines.append(one_line(machine.run("evaluate empty.safetensors circles"), "empty.safetensors"))
    expect(machine.run(f"{TRAIN} --quiet --out run").returncode == 0, "cannot be trained")
    checkpoint = next((machine.folder / "run" / "checkpoints").glob("replicas-*[0-9].safetensors"))
    checkpoint.write_bytes(b"")
    machine.ends("train --resume run --quiet", "run")
    return "; ".join(lines[:2]), "an empty checkpoint: the run resumes from the one before, with the same bits"


def address_space(machine):
    def limited():
        resource.setrlimit(resource.RLIMIT_AS, (600 << 20, 600 << 20))

    ended = machine.run("train circles --hidden 2000,2000 --replicas 30 --epochs 1 --quiet --out run", preexec_fn=limited)
    line = one_line(ended, "memory")
    expect(not (machine.folder / "run").exists(), "a folder was left")
    return line, "nothing"


def too_large(machine):
    line = one_line(machine.run("train --replicas 4000000000 --out run"), "memory", "replicas")
    expect(not (machine.folder / "run").exists(), "a folder was left")
    return line, "nothing"


def file_size(machine):
    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100 << 10, 100 << 10))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    ended = machine.run(f"{TRAIN} --quiet --out run", preexec_fn=limited)
    line = one_line(ended, "too large")
    machine.ends("train --resume run --quiet", "run")
    return line, "a run that resumes with the same bits"


FAULTS = {
    "disk full (tmpfs of 400 kB)": disk_full,
    "file size limited to 100 kB (ulimit -f)": file_size,
    "read-only file system": read_only,
    "folder removed under way": folder_removed,
    "two runs in one folder": two_runs,
    "SIGTERM while it trains": terminated,
    "SIGTERM while kernels compile, or at the start": terminated_while_compiling,
    "SIGTERM while data are read (a FIFO)": reading,
    "clock that goes backwards, before 1970": clock,
    "stdout and stderr closed, full, or a pipe that nobody reads": closed_streams,
    "files of 0 bytes: data, model, checkpoint": empty_files,
    "more replicas than memory": too_large,
    "address space of 600 MB (ulimit -v)": address_space,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("asgd", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("faults", nargs="*", metavar="FAULT", help="words of its name")
    args = parser.parse_intermixed_args()
    print("| Fault | What is said | What is left |\n|---|---|---|")
    failures = 0
    for name, fault in FAULTS.items():
        if args.faults and not any(word in name for word in args.faults):
            continue
        with tempfile.TemporaryDirectory() as folder:
            machine = Machine(args.asgd.resolve(), args.device, folder)
            try:
                said, left = fault(machine)
                print(f"| {name} | {said.replace(folder + '/', '')} | {left} |", flush=True)
            except Failed as problem:
                failures += 1
                print(f"| {name} | **NOT SURVIVED**: {problem} | |", flush=True)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
