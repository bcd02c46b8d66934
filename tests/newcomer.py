"""The newcomer's route, from `make demo` to predictions for a table of one's own: what is typed, what is seen, and whether it
is right. No step has an option, and on three tables the accuracy is not more than 0.02 below scikit-learn's MLPClassifier.

    python3 tests/newcomer.py [ASGD]        runs `make demo` unless ASGD names the command

What it needs besides is installed under target/peers/venv. Exit code 1 and a line that says why, if anything is wrong.
"""

import csv
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
VENV = ROOT / "target" / "peers" / "venv"
PACKAGES = {"numpy": "numpy", "scikit-learn": "sklearn", "onnxruntime": "onnxruntime", "safetensors": "safetensors"}
# How far below scikit-learn's mean over the splits an accuracy may be.
BELOW = 0.02


def fail(problem):
    sys.exit(f"newcomer: {problem}")


def check(is_right, problem):
    if not is_right:
        fail(problem)


def enter_venv():
    """Begins anew with the Python of the virtual environment, which has all packages."""
    if pathlib.Path(sys.prefix).resolve() == VENV.resolve():
        return
    python = VENV / "bin" / "python"
    steps = [] if python.exists() else [[sys.executable, "-m", "venv", VENV]]
    imports = "import " + ", ".join(PACKAGES.values())
    if steps or subprocess.run([python, "-c", imports], capture_output=True).returncode:
        steps.append([python, "-m", "pip", "install", "--quiet", *PACKAGES])
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True)
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        check(done.returncode == 0, f"{', '.join(PACKAGES)} cannot be installed under {VENV}: {' '.join(last)}")
    os.execv(python, [python, __file__, *sys.argv[1:]])


class Terminal:
    """A folder in which commands are typed."""

    def __init__(self, folder, asgd):
        self.folder = pathlib.Path(folder)
        self.environment = {**os.environ, "PATH": f"{asgd.parent}{os.pathsep}{os.environ['PATH']}"}

    def run(self, command):
        done = subprocess.run(command.split(), cwd=self.folder, env=self.environment, capture_output=True, text=True)
        check(done.returncode == 0, f"`{command}` ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout, done.stderr

    def type(self, command, lines=None):
        """Shows the command and what it says, of its answer no more than some lines. Gives both, the answer first."""
        answer, said = self.run(command)
        shown = answer.splitlines()
        if lines and len(shown) > lines:
            shown = [*shown[:lines], "..."]
        # Of what a training says while it runs, the end is enough.
        steps = [line for line in said.splitlines() if line.startswith("epoch ")]
        news = [line for line in said.splitlines() if line not in steps[:-1]]
        print("\n".join([f"$ {command}", *news, *shown]), flush=True)
        return answer, said


def route(terminal, name, inputs, labels):
    """All steps for one table; the accuracy on the rows that the training set aside, and how many those are."""
    tables.write(terminal.folder / f"{name}.csv", inputs, labels)
    tables.write(terminal.folder / "new.csv", inputs)
    model = f"runs/{name}-1/model.safetensors"

    _, said = terminal.type(f"asgd train {name}.csv")
    check("warning" not in said, f"{name}: the training warns")
    trained = json.loads((terminal.folder / f"runs/{name}-1/run.json").read_text())["result"]["test_accuracy"]

    answer, _ = terminal.type(f"asgd evaluate {model} {name}.csv")
    score = json.loads(terminal.run(f"asgd evaluate {model} {name}.csv --json")[0])
    aside = f"set aside in training from {len(labels)} rows: {score['samples']} samples"
    check(aside in answer, f"{name}: evaluate does not say '{aside}'")
    check(score["trained_on"] == 0, f"{name}: evaluate scores {score['trained_on']} rows of the training")
    check(score["accuracy"] == trained, f"{name}: evaluate says {score['accuracy']}, train said {trained}")

    predicted, _ = terminal.type(f"asgd predict {model} new.csv", lines=4)
    classes = [row["class"] for row in csv.DictReader(io.StringIO(predicted))]
    check(len(classes) == len(labels), f"{name}: {len(classes)} predictions for {len(labels)} rows")
    hits = sum(answer == f"class {label}" for answer, label in zip(classes, labels)) / len(labels)
    whole = json.loads(terminal.run(f"asgd evaluate {model} {name}.csv --split all --json")[0])["accuracy"]
    check(abs(hits - whole) < 1e-9, f"{name}: {hits} of the predictions are right, but evaluate says {whole}")

    answer, _ = terminal.type(f"asgd inspect {model} {name}.csv", lines=12)
    described = f"label column 'kind' ({inputs.shape[1] + 1} of {inputs.shape[1] + 1})"
    check(described in answer, f"{name}: inspect does not say {described}")

    terminal.type(f"asgd prune {model} {name}.csv -o small.safetensors")
    pruned, _ = terminal.run("asgd predict small.safetensors new.csv")
    of_pruned = [row["class"] for row in csv.DictReader(io.StringIO(pruned))]
    check(of_pruned == classes, f"{name}: the pruned network answers otherwise")

    terminal.type(f"asgd export {model} -o {name}.onnx")
    files = [terminal.folder / model, terminal.folder / f"{name}.onnx"]
    done = subprocess.run([sys.executable, ROOT / "tests" / "check_export.py", *files], capture_output=True, text=True)
    check(done.returncode == 0, f"{name}: the ONNX file computes something else: {(done.stderr or done.stdout).strip()}")
    return trained, score["samples"]


def main():
    if len(sys.argv) > 1:
        asgd = pathlib.Path(sys.argv[1]).resolve()
    else:
        print("$ make demo", flush=True)
        check(subprocess.run(["make", "demo"], cwd=ROOT).returncode == 0, "`make demo` fails")
        asgd = ROOT / "target" / "release" / "asgd"
    problems, rows = [], []
    for name, (inputs, labels) in tables.TABLES.items():
        with tempfile.TemporaryDirectory() as folder:
            own, samples = route(Terminal(folder, asgd), name.replace(" ", "-"), inputs, labels)
        ours, theirs = tables.scores(asgd, inputs, labels).mean(axis=0)
        rows.append(f"{name:14} {own:.3f} on its own {samples:3} rows; over {tables.SPLITS} splits {ours:.3f}, scikit-learn {theirs:.3f}")
        if ours < theirs - BELOW:
            problems.append(f"{name}: {ours:.3f} is more than {BELOW} below scikit-learn's {theirs:.3f}")
        # So few rows are no better than two standard errors of a share.
        chance = 2 * (theirs * (1 - theirs) / samples) ** 0.5
        if own < theirs - BELOW - chance:
            problems.append(f"{name}: {own:.3f} on the rows set aside is more than {BELOW + chance:.3f} below {theirs:.3f}")
    print("\n".join(["", "Accuracies without any option", *rows]))
    if problems:
        fail("; ".join(problems))


enter_venv()
sys.path.insert(0, str(ROOT / "benches" / "peers"))
import tables  # noqa: E402, which needs the packages

main()
