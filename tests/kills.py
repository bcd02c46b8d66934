"""Kill -9, or an error, at every system call that changes a file: nothing is lost but the time since the last checkpoint.

    python3 tests/kills.py target/debug/asgd [--device NAME] [--error ENOSPC] [--every N] [SCENARIO ...]
    python3 tests/kills.py target/debug/asgd [--device NAME] --random 50

strace delivers SIGKILL as the program enters its N-th such call (or makes that call fail with the error), for N = 1, 2, 3 and so
on. Each time all files must be whole and belong to one run; a program that was not killed must say what failed, in one line;
and then the same command must give the bytes of a run that nobody disturbed, and clean up what the other one left.

--random kills one training so many times instead, at moments that have nothing to do with its calls, and resumes it.
"""

import argparse
import collections
import hashlib
import json
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CALLS = "write,pwrite64,?rename,renameat,?renameat2,?unlink,unlinkat,?rmdir,?mkdir,mkdirat,fsync,ftruncate,?open,openat,?creat"
TRAIN = "train circles --hidden 5,4 --samples 100 --batch-size 16 --replicas 3 --epochs 6 --eval-every 2 --checkpoint-every 2"
OLD = f"{TRAIN} --seed 9 --out run"

# What is there before, what is killed, and what brings it to its end.
SCENARIOS = {
    "fresh": ([], f"{TRAIN} --out run", None),
    "replaced": ([OLD], f"{TRAIN} --out run", None),
    "replaced by a sweep": ([OLD], f"{TRAIN} --lr 0.01,0.1 --out run", None),
    "a sweep replaced": ([f"{OLD} --lr 0.02,0.2"], f"{TRAIN} --out run", None),
    "resumed, longer": ([f"{TRAIN} --out run"], "train --resume run --epochs 8", "train --resume run"),
    # Its checkpoint is cut for two devices first.
    "resumed by two devices": (
        [f"{TRAIN} --out run"], "train --resume run --epochs 8 --device DEVICE", "train --resume run --device DEVICE"
    ),
    "stopping early": ([], f"{TRAIN} --validation 0.2 --patience 2 --optimizer aadam --out run", None),
    "a shard": ([], f"{TRAIN} --shard 2/2 --out run", None),
    "merged": ([f"{TRAIN} --shard 1/2 --out a", f"{TRAIN} --shard 2/2 --out b"], "merge a b --out run", None),
    "experiment 2": ([], "experiment 2 --replicas 2 --grid-replicas 0 --steps 60 --samples 200 --out run", None),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("asgd", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--error", help="ENOSPC, EDQUOT, EIO: what the call returns, instead of a kill")
    parser.add_argument("--every", type=int, default=1, help="only every so many calls")
    parser.add_argument("--random", type=int, metavar="KILLS", help="kills at random moments of one training")
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(SCENARIOS))
    args = parser.parse_intermixed_args()
    if args.random:
        sys.exit(random_kills(args))
    unknown = [name for name in args.scenarios if name not in SCENARIOS]
    if unknown or shutil.which("strace") is None:
        parser.error(f"no such scenario: {unknown[0]}" if unknown else "strace is needed")
    failures = 0
    for name in args.scenarios or SCENARIOS:
        calls, found = Scenario(args, *SCENARIOS[name]).run()
        failures += len(found)
        print(f"{name}: {args.error or 'kill'} at {calls} calls, {len(found)} failures", flush=True)
        for failure in found[:5]:
            print(f"  {failure}")
    sys.exit(1 if failures else 0)


def random_kills(args):
    """Of one training, which is resumed each time. 0 if it ends with the bytes of one that nobody disturbed."""
    with tempfile.TemporaryDirectory() as folder:
        common = ["--quiet", "--device", args.device]

        def command(name, epochs):
            train = f"train circles --replicas 3 --epochs {epochs} --eval-every 500 --checkpoint-every 20 --out {name}"
            resumed = f"train --resume {name}" if (Path(folder) / name / "settings.json").exists() else train
            return [args.asgd.resolve(), *resumed.split(), *common]

        def seconds(epochs):
            begin = time.monotonic()
            subprocess.run(command(f"of-{epochs}", epochs), cwd=folder, check=True)
            return time.monotonic() - begin

        # So long that it takes all kills, though each start takes its time.
        start, pace = seconds(20), seconds(1020) / 1000
        mean = 0.2 + start
        epochs = int(2 * args.random * 0.2 / pace) // 20 * 20 + 20
        subprocess.run(command("undisturbed", epochs), cwd=folder, check=True)
        kills, moments = 0, random.Random(1)
        while True:
            child = subprocess.Popen(command("killed", epochs), cwd=folder)
            try:
                if child.wait(2 * mean * moments.random() if kills < args.random else None) != 0:
                    print("a resumed training failed")
                    return 1
                break
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
                kills += 1
        problem = difference(contents(Path(folder) / "killed"), contents(Path(folder) / "undisturbed"))
        print(f"{args.device}: {kills} kills in {epochs} epochs at random moments, {problem or 'the bytes of an undisturbed training'}")
        return 1 if problem or kills < args.random else 0


class Scenario:
    def __init__(self, args, before, disturbed, resumed):
        self.asgd, self.device, self.error, self.every = args.asgd.resolve(), args.device, args.error, args.every
        self.before, self.disturbed, self.resumed = before, disturbed, resumed

    def run(self):
        """At how many calls it was disturbed, and what went wrong."""
        with tempfile.TemporaryDirectory() as folder:
            self.folder = Path(folder)
            run, start = self.folder / "run", self.folder / "start"
            for words in self.before:
                self.call(words)
            has_run = run.exists()
            if has_run:
                shutil.copytree(run, start)
            points = self.points()[:: self.every]
            expected = contents(run)
            failures = []
            for point in points:
                shutil.rmtree(run, ignore_errors=True)
                if has_run:
                    shutil.copytree(start, run)
                problem = self.disturb(*point, run, expected)
                if problem:
                    failures.append(f"{point[0]} {point[1]}: {problem}")
            return len(points), failures

    def command(self, words):
        device = [] if words.startswith("merge") else ["--device", self.device]
        return [self.asgd, *words.replace("DEVICE", self.device).split(), "--quiet", *device]

    def call(self, words):
        return subprocess.run(self.command(words), cwd=self.folder, check=True)

    def traced(self, options):
        command = ["strace", "-f", "-qq", "-e", f"trace={CALLS}", *options, *self.command(self.disturbed)]
        return subprocess.run(command, cwd=self.folder, stderr=subprocess.PIPE, text=True)

    def points(self):
        """The calls that change a file, each as its name and its number among those of its thread, as strace counts them."""
        log = self.folder / "log"
        ended = self.traced(["-o", str(log)])
        if ended.returncode != 0:
            sys.exit(f"undisturbed it fails: {ended.stderr.strip()}")
        points, counts = {}, collections.Counter()
        for line in log.read_text().splitlines():
            called = re.match(r"(\d+) +(\w+)\(", line)
            if called:
                counts[called.groups()] += 1
                is_reading = called[2] in ("open", "openat") and "O_CREAT" not in line
                if not is_reading and not (self.error and called[2] in ("open", "openat", "creat")):
                    points[called[2], counts[called.groups()]] = True
        return list(points)

    def disturb(self, call, number, run, expected):
        what = f"error={self.error}" if self.error else "signal=KILL"
        ended = self.traced(["-o", "/dev/null", "-e", f"inject={call}:{what}:when={number}"])
        lines = ended.stderr.strip().splitlines()
        if self.error and not (ended.returncode == 0 or (ended.returncode == 1 and len(lines) == 1)):
            return f"exit code {ended.returncode} and {ended.stderr!r}"
        problem = damage(run, expected, self.resumed is not None) if run.exists() else None
        # A run that was not made longer yet, or has no settings yet, is begun by the same command again.
        settings = run / "settings.json"
        is_longer = self.resumed and settings.exists() and json.loads(settings.read_bytes())["arguments"]["extended"]
        again = subprocess.run(
            self.command(self.resumed if is_longer else self.disturbed), cwd=self.folder, capture_output=True, text=True
        )
        if again.returncode != 0:
            return problem or f"cannot be resumed: {again.stderr.strip()}"
        return problem or difference(contents(run), expected)


def contents(run):
    """The bytes of every file that says the same whenever it was written."""
    files = (path for path in run.rglob("*") if path.is_file())
    varying = {"lock", "settings.json", "run.json", "report.html"}
    return {str(path.relative_to(run)): path.read_bytes() for path in files if path.name not in varying and "checkpoints" not in path.parts}


def difference(found, expected):
    names = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
    return f"other bytes in the end: {', '.join(names)}" if names else None


def damage(run, expected, is_lengthened):
    """What is not whole, or belongs to another run."""
    for path in sorted(path for path in run.rglob("*") if path.is_file() and path.suffix != ".tmp"):
        bytes_ = path.read_bytes()
        if path.suffix == ".json":
            json.loads(bytes_)
        elif path.suffix == ".safetensors":
            length = struct.unpack("<Q", bytes_[:8])[0]
            header = json.loads(bytes_[8 : 8 + length])
            end = max(tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__")
            if len(bytes_) != 8 + length + end:
                return f"{path.name} is cut off"
        elif path.suffix == ".csv" and not bytes_.endswith(b"\n"):
            return f"{path.name} is cut off"
        elif path.suffix in (".svg", ".html") and not bytes_.rstrip().endswith((b"</svg>", b"</html>")):
            return f"{path.name} is cut off"
    finished = run / "run.json"
    if finished.exists():
        result = json.loads(finished.read_bytes())["result"]
        cells = len(result.get("cells", [None]))
        models = ["model.safetensors"] if cells == 1 else [f"models/cell-{cell + 1}.safetensors" for cell in range(cells)]
        digest = hashlib.sha256(b"".join((run / name).read_bytes() for name in [*models, "metrics.csv"]))
        if digest.hexdigest() != result["sha256"]:
            return "run.json beside networks of another run"
    elif (run / "settings.json").exists() and (run / "model.safetensors").exists():
        # Not finished: the network is the new one's, unless nothing of the old run was touched but its run.json.
        arguments = json.loads((run / "settings.json").read_bytes()).get("arguments", {})
        # A run that is made longer keeps its settings, and its networks are those of its earlier end, until all of these are gone.
        is_new = "9" not in arguments.get("command", []) and (not is_lengthened or arguments["extended"])
        if is_new and (run / "model.safetensors").read_bytes() != expected.get("model.safetensors"):
            return "the settings of one run beside the network of another"
    return None


if __name__ == "__main__":
    main()
