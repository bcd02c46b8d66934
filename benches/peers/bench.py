"""asgd beside JAX, PyTorch and burn, in turn on the same machine: one aSGD step of 784-30-20-10, batch 64, on MNIST.

Run: make bench-peers [ROUNDS=5] [REPLICAS="1 16"]       (ASGD_DATA_DIR has mnist/; python3, cargo)

The peers are installed under target/peers: a virtual environment and a cargo project outside the workspace. One that
cannot be installed or run is named as missing, with the reason. The table goes to benches/runs/<date>-<adapter>/.
"""

import datetime
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys

ROUNDS = int(os.environ.get("ROUNDS", "5"))
REPLICAS = [int(r) for r in os.environ.get("REPLICAS", "1 16").split()]
HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PEERS = ROOT / "target" / "peers"
PYTHON = PEERS / "venv" / "bin" / "python"
BURN = PEERS / "burn" / "release" / "burn-peer"
DATA = PEERS / "mnist.bin"
missing = {}


def call(command, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=ROOT, **options)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise RuntimeError(lines[-1] if lines else f"exit status {done.returncode}")
    return done.stdout


def attempt(name, action):
    """What `action` gives, or None, and the reason is remembered."""
    try:
        return action()
    except (RuntimeError, OSError, ValueError, StopIteration, subprocess.TimeoutExpired) as error:
        missing.setdefault(name, str(error)[:200])
        return None


def set_up():
    PEERS.mkdir(parents=True, exist_ok=True)
    if not PYTHON.exists():
        call([sys.executable, "-m", "venv", PEERS / "venv"])
    cuda = subprocess.run(["sh", "-c", "command -v nvidia-smi"], capture_output=True).returncode == 0
    for package in (HERE / "requirements.txt").read_text().split():
        wanted = "jax[cuda13]" if package == "jax" and cuda else package
        attempt(package, lambda: call([PYTHON, "-m", "pip", "install", "-q", wanted], timeout=1800))
    environment = {**os.environ, "CARGO_TARGET_DIR": str(PEERS / "burn")}
    manifest = HERE / "burn" / "Cargo.toml"
    attempt("burn", lambda: call(["cargo", "build", "--release", "--manifest-path", manifest], env=environment))
    sys.path.insert(0, str(HERE))
    script = f"import mnist_file; images, labels = mnist_file.load(); open({str(DATA)!r}, 'wb').write(images.tobytes() + labels.tobytes())"
    attempt("burn", lambda: call([PYTHON, "-c", script], env={**os.environ, "PYTHONPATH": str(HERE)}))


def version(package):
    return call([PYTHON, "-c", f"import importlib.metadata; print(importlib.metadata.version('{package}'))"]).strip()


def ours(replicas, optimizer):
    """Microseconds of a step, and the adapter."""
    output = call(["cargo", "bench", "--quiet", "--bench", "ratio", "--", "1", f"mnist-R{replicas}"])
    adapter = next(line for line in output.splitlines() if line.startswith("adapter: "))[9:]
    columns = re.findall(r"(\d+) \(", next(line for line in output.splitlines() if line.startswith("mnist")))
    return float(columns[0 if optimizer == "asgd" else 1]), adapter


def peer(*command):
    return lambda: float(call(command, timeout=900).strip().splitlines()[-1])


def candidates(replicas):
    """(name, installed as, what to run; the fastest counts, how often): a step of all replicas."""
    steps = max(20, 1000 // replicas)
    threads = sorted({1, os.cpu_count()})
    pytorch = lambda form: [peer(PYTHON, HERE / "pytorch.py", form, replicas, steps, n) for n in threads]
    flex = [peer(BURN, "flex", 1000, DATA)]
    return [
        ("JAX, jit + scan + vmap", "jax", [peer(PYTHON, HERE / "jax_scan.py", replicas, steps)], 1),
        ("PyTorch, hand-batched", "torch", pytorch("batched"), 1),
        *([("PyTorch, autograd, SGD", "torch", pytorch("autograd"), 1)] if replicas == 1 else []),
        *([("PyTorch, vmap(grad), counted", "torch", pytorch("counted"), 1)] if replicas == 1 else []),
        (f"burn, flex{'' if replicas == 1 else f', {replicas} times one replica'}", "burn", flex, replicas),
        *([("burn, wgpu, same adapter", "burn", [peer(BURN, "wgpu", 60, DATA)], 1)] if replicas == 1 else []),
    ]


def spread(values, digits):
    return f"{statistics.median(values):.{digits}f} | {min(values):.{digits}f} to {max(values):.{digits}f}"


def measure(replicas):
    """Rows of the table for R replicas."""
    all_of_them = candidates(replicas)
    mine, theirs, adapter = [], {name: [] for name, *_ in all_of_them}, ""
    for round_ in range(ROUNDS):
        for name, package, runs, times in all_of_them:
            # Ours before each peer: only neighbours in time can be compared on a shared machine.
            us, adapter = ours(replicas, "sgd" if "SGD" in name else "asgd")
            results = [result for run in runs if (result := attempt(name, run)) is not None]
            if results:
                theirs[name].append((us, min(results) * times))
            if "SGD" not in name:
                mine.append(us)
        print(f"R = {replicas}: round {round_ + 1} of {ROUNDS}", file=sys.stderr)
    rows = [f"| asgd | {spread(mine, 0)} | |"]
    for name, pairs in theirs.items():
        if pairs:
            ratios = [other / us for us, other in pairs]
            rows.append(f"| {name} | {spread([p[1] for p in pairs], 0)} | {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) |")
        else:
            rows.append(f"| {name} | missing: {missing.get(name, 'not installed')} | | |")
    return rows, adapter, {"asgd_us": mine, "pairs_us": theirs}


def main():
    if "ASGD_DATA_DIR" not in os.environ:
        sys.exit("ASGD_DATA_DIR must name the folder that holds mnist/")
    set_up()
    call(["cargo", "bench", "--bench", "ratio", "--no-run"])
    versions = [f"{package} {attempt(package, lambda: version(package)) or 'missing'}" for package in ("jax", "torch")]
    lines, raw, adapter = [], {}, ""
    for replicas in REPLICAS:
        rows, adapter, raw[replicas] = measure(replicas)
        lines += [f"## R = {replicas}", "", "| | us a step, median | spread | peer / asgd |", "|---|---|---|---|", *rows, ""]
    short = re.search(r"(llvmpipe) Mesa ([\d.]+)", adapter)
    name = "-".join(short.groups()) if short else re.sub(r"\W+", "-", adapter.split("(")[0].strip()).lower()
    folder = ROOT / "benches" / "runs" / f"{datetime.date.today()}-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), platform.processor())
    head = [
        "# One training step of 784-30-20-10, batch 64, on MNIST",
        "",
        f"Adapter: {adapter}. CPU: {cpu}, {os.cpu_count()} cores. {', '.join(versions)}, burn 0.21.",
        f"`make bench-peers ROUNDS={ROUNDS} REPLICAS=\"{' '.join(map(str, REPLICAS))}\"`: every peer right after asgd, "
        f"{ROUNDS} rounds; PyTorch at its best thread count of each round. A ratio above 1 means that asgd is faster.",
        "",
    ]
    if missing:
        lines += ["Missing: " + "; ".join(f"{name} ({reason})" for name, reason in missing.items()), ""]
    (folder / "peers.md").write_text("\n".join(head + lines))
    (folder / "peers.json").write_text(json.dumps(raw, indent=1))
    print("\n".join(head + lines))
    print(f"{folder / 'peers.md'}", file=sys.stderr)


main()
