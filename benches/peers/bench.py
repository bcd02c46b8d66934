"""asgd beside JAX, PyTorch and burn, in turn on the same machine: steps of several workloads, of aSGD and of Adam (FAMILY-adam-RN).

Run: make bench-peers [ROUNDS=5] [WORKLOADS="mnist-R1 ..."] [DEVICE=NAME] [SECONDS_EACH=1] [SKIP="burn torch.compile"]
(ASGD_DATA_DIR has mnist/; SKIP leaves out variants by words of their names)

The peers are installed under target/peers: a virtual environment and a cargo project outside the workspace. Where nothing can be
installed, PYTHON=PATH names a Python that has JAX and PyTorch, and ASGD=PATH an asgd that is built. Each peer is held against
float64 first (check.py); one that cannot be installed or run, or computes something else, is named as missing.
peers.md and peers.json go to benches/runs/<date>-<device>/.
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

ROUNDS = int(os.environ.get("ROUNDS") or 5)
WORKLOADS = (os.environ.get("WORKLOADS") or "mnist-R1 mnist-R2 mnist-R16 mnist-adam-R16 wide-R1 circles-R100").split()
DEVICE = os.environ.get("DEVICE", "")
SECONDS = os.environ.get("SECONDS_EACH") or "1"
SKIP = os.environ.get("SKIP", "").split()
# A variant that takes this many times as long as its peer's best one in the first round is not run again.
HOPELESS = 1.5
HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PEERS = ROOT / "target" / "peers"
PYTHON = pathlib.Path(os.environ.get("PYTHON") or PEERS / "venv" / "bin" / "python")
BURN = PEERS / "burn" / "release" / "burn-peer"
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
missing = {}


def call(command, timeout=None, **variables):
    environment = {**os.environ, **variables}
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, cwd=ROOT, env=environment, timeout=timeout
    )
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise RuntimeError(lines[-1] if lines else f"exit status {done.returncode}")
    return done.stdout


def attempt(name, action):
    """What `action` gives, or None, and the reason is remembered."""
    try:
        return action()
    except (RuntimeError, OSError, ValueError, subprocess.TimeoutExpired) as error:
        missing.setdefault(name, str(error)[:200])
        return None


def set_up(on_gpu):
    PEERS.mkdir(parents=True, exist_ok=True)
    if "PYTHON" in os.environ:
        return
    if not PYTHON.exists():
        call([sys.executable, "-m", "venv", PEERS / "venv"])
    for package in (HERE / "requirements.txt").read_text().split():
        wanted = "jax[cuda13]" if package == "jax" and on_gpu else package
        attempt(package, lambda: call([PYTHON, "-m", "pip", "install", "-q", wanted], timeout=1800))
    command = ["cargo", "build", "--release", "--manifest-path", HERE / "burn" / "Cargo.toml"]
    command += ["--features", "wgpu"] if on_gpu else []
    variables = {"CARGO_TARGET_DIR": str(PEERS / "burn"), "RUSTFLAGS": "-C target-cpu=native"}
    attempt("burn", lambda: call(command, **variables))


def build_ours():
    if "ASGD" in os.environ:
        return pathlib.Path(os.environ["ASGD"]).resolve()
    call(["cargo", "build", "--release", "--locked"])
    return ROOT / "target" / "release" / "asgd"


def ours(executable, workload):
    """One measurement: two half seconds of steps after a warm-up, the start of the process not counted; and all."""
    optimizer = "adam" if "-adam-" in workload else "asgd"
    command = [executable, "bench", workload.replace("-adam-", "-"), "--optimizer", optimizer, "--rounds", "2", "--json"] + (["--device", DEVICE] if DEVICE else [])
    measured = json.loads(call(command))
    return statistics.mean(measured["workloads"][0]["us"]), measured


def make(workload):
    folder = PEERS / "data" / workload
    script, last = HERE / "workloads.py", folder / "shape"
    if not last.exists() or last.stat().st_mtime < script.stat().st_mtime:
        call([PYTHON, script, workload, folder])
    return folder


def variants(workload, on_gpu):
    """(peer, variant, command without its last argument, environment, how often it must run for one step of all)."""
    folder, alone = make(workload), make(re.sub(r"-R\d+$", "-R1", workload))
    replicas = int(workload.rsplit("-R", 1)[1])
    torch = lambda form, threads: [PYTHON, HERE / "pytorch.py", form, threads, folder]
    burn = lambda backend, data: [BURN, backend, data]
    jax = [PYTHON, HERE / "jax_scan.py", folder]
    # Adam's peer is optax; the others are written by hand for aSGD.
    is_adam = "-adam-" in workload
    if on_gpu:
        yield "JAX", "scan, vmap, fp32", jax, {"JAX_DEFAULT_MATMUL_PRECISION": "highest"}, 1
        # What JAX does unless told otherwise: products of 19 bits.
        yield "JAX", "scan, vmap, TF32", jax, {}, 1
        if is_adam:
            return
        yield "PyTorch", "CUDA graph", torch("eager", 1), {}, 1
        yield "PyTorch", "torch.compile", torch("compiled", 1), {}, 1
        yield "burn wgpu", "batched", burn("wgpu", folder), {}, 1
        if replicas > 1:
            yield "burn wgpu", "replica by replica", burn("wgpu", alone), {}, replicas
        return
    # Where asgd runs on the CPU, so do they.
    cpu = {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
    one = "--xla_cpu_multi_thread_eigen=false"
    yield "JAX", "scan, vmap", jax, cpu, 1
    if CORES > 1:
        yield "JAX", "scan, vmap, 1 thread", jax, {**cpu, "XLA_FLAGS": one}, 1
    if CORES > 1 and replicas % CORES == 0:
        flags = f"{one} --xla_force_host_platform_device_count={CORES}"
        yield "JAX", f"scan, vmap, {CORES} devices", jax, {**cpu, "XLA_FLAGS": flags}, 1
    for threads in () if is_adam else sorted({1, CORES}):
        label = f"{threads} thread{'s' if threads > 1 else ''}"
        yield "PyTorch", f"eager, {label}", torch("eager", threads), cpu, 1
        yield "PyTorch", f"torch.compile, {label}", torch("compiled", threads), cpu, 1
        rayon = {"RAYON_NUM_THREADS": str(threads)}
        yield "burn flex", f"batched, {label}", burn("flex", folder), rayon, 1
        if replicas > 1:
            yield "burn flex", f"replica by replica, {label}", burn("flex", alone), rayon, replicas


def check(command, environment):
    """The distance from float64, as a share of the way gone."""
    result = PEERS / "result.f32"
    result.unlink(missing_ok=True)
    call([*command, result], timeout=900, **environment)
    return float(call([PYTHON, HERE / "check.py", command[-1], result]))


def spread(values, digits):
    return f"{statistics.median(values):.{digits}f} | {min(values):.{digits}f} to {max(values):.{digits}f}"


def measure(executable, workload, on_gpu):
    """Lines of the table, and all figures."""
    named = {(peer, name): rest for peer, name, *rest in variants(workload, on_gpu)}
    candidates = {key: rest for key, rest in named.items() if not any(word in " ".join(key) for word in SKIP)}
    errors = {}
    for (peer, name), (command, environment, _) in candidates.items():
        error = attempt(f"{peer}, {name}, {workload}", lambda: check(command, environment))
        if error is not None:
            errors[peer, name] = error
    pairs, mine, accuracy = {key: [] for key in errors}, [], None
    for round_ in range(ROUNDS):
        for key in errors:
            best = min((us for (peer, _), ran in pairs.items() if peer == key[0] for _, us in ran[:1]), default=0)
            if round_ and (not pairs[key] or pairs[key][0][1] > HOPELESS * best):
                continue
            # Ours before each peer: only neighbours in time can be compared on a shared machine.
            us, measured = ours(executable, workload)
            command, environment, times = candidates[key]
            theirs = attempt(
                f"{', '.join(key)}, {workload}",
                lambda: float(call([*command, SECONDS], timeout=900, **environment).split()[-1]) * times,
            )
            mine.append(us)
            accuracy = measured["workloads"][0]["accuracy"]
            if theirs is not None:
                pairs[key].append((us, theirs))
        print(f"{workload}: round {round_ + 1} of {ROUNDS}", file=sys.stderr)
    rows = [f"| asgd | | {spread(mine, 0)} | | |"] if mine else []
    median_ratio = lambda key: statistics.median(theirs / us for us, theirs in pairs[key])
    for peer in dict.fromkeys(peer for peer, _ in candidates):
        ran = [key for key in pairs if key[0] == peer and len(pairs[key]) == max(1, max(map(len, pairs.values())))]
        if not ran:
            rows.append(f"| {peer} | missing | | | | |")
            continue
        best = min(ran, key=median_ratio)
        ratios = [theirs / us for us, theirs in pairs[best]]
        rows.append(
            f"| {peer} | {best[1]} | {spread([theirs for _, theirs in pairs[best]], 0)} "
            f"| {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) | {errors[best]:.0e} |"
        )
    raw = [
        {"peer": peer, "variant": name, "error": errors[peer, name], "asgd_us_and_peer_us": ran}
        for (peer, name), ran in pairs.items()
    ]
    return rows, {"accuracy_of_asgd": accuracy, "variants": raw}


def processor():
    information = pathlib.Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", information.read_text()) if information.exists() else None
    return found[1].strip() if found else platform.processor() or "CPU"


def slug(text):
    return re.sub(r"\W+", "-", re.sub(r"\(.*?\)", "", text)).strip("-").lower()


def main():
    if "ASGD_DATA_DIR" not in os.environ:
        sys.exit("ASGD_DATA_DIR must name the folder that holds mnist/")
    # As it is built, not as it is when all is measured.
    commit = os.environ.get("COMMIT") or call(["git", "describe", "--always", "--dirty"]).strip()
    executable = build_ours()
    device = ours(executable, "circles-R1")[1]
    on_gpu = device["device"]["name"] != "cpu"
    set_up(on_gpu)
    versions = call([PYTHON, "-m", "pip", "list", "--format", "json"])
    versions = {package["name"]: package["version"] for package in json.loads(versions)}
    name = slug(device["device"]["name"]) if on_gpu else f"{slug(processor())}-{CORES}-cores"
    folder = ROOT / "benches" / "runs" / f"{datetime.date.today()}-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    command = f'make bench-peers ROUNDS={ROUNDS} WORKLOADS="{" ".join(WORKLOADS)}"'
    command += (DEVICE and f' DEVICE="{DEVICE}"') + (f" SECONDS_EACH={SECONDS}" if SECONDS != "1" else "")
    command += f' SKIP="{" ".join(SKIP)}"' if SKIP else ""
    head = [
        "# Steps of asgd and of its peers",
        "",
        f"`{command}` on {datetime.date.today()}, asgd at {commit}.",
        "",
        f"asgd on {device['description']}. CPU: {processor()}, {CORES} cores. "
        f"JAX {versions.get('jax', 'missing')}, PyTorch {versions.get('torch', 'missing')}, burn 0.21, "
        f"Python {sys.version.split()[0]}.",
        "",
        f"Every peer right after asgd, {ROUNDS} round{'s' * (ROUNDS != 1)} of {SECONDS} s each, medians of the ratios pair by pair; of each "
        "peer's variants the best. Above 1, asgd is faster. Peers gather the same shuffled batches and move by the same "
        "rule; the error is their distance from numpy's float64 after 3 steps, as a share of the way gone. All their batches "
        "are whole; the last of an epoch of asgd's is not, which is 0.3 % less work at batch 256, 0.05 % at 64, and none for "
        "circles.",
        "",
    ]
    lines, raw = [], {}
    for workload in WORKLOADS:
        rows, raw[workload] = measure(executable, workload, on_gpu)
        widths, batch, optimizer = (make(workload) / "shape").read_text().splitlines()
        batch, replicas, _ = batch.split()
        lines += [
            f"## {workload}: {optimizer}, {widths.replace(' ', '-')}, batch {batch}, R = {replicas}",
            "",
            "| | variant | us a step, median | spread | peer / asgd | error of 3 steps |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
        ]
        # After each workload: what comes later may be stopped.
        reasons = ["Missing:", "", *(f"* {name}: {reason}" for name, reason in missing.items()), ""] if missing else []
        (folder / "peers.md").write_text("\n".join(head + lines + reasons))
        (folder / "peers.json").write_text(json.dumps({"command": command, "commit": commit, **raw}, indent=1))
    print((folder / "peers.md").read_text())
    print(folder / "peers.md", file=sys.stderr)


main()
