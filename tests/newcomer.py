"""The newcomer's route, from `make demo` to predictions for a table of one's own: what is typed, what is seen, and whether it
is right. No step has an option, and on three tables the accuracy is not more than 0.02 below scikit-learn's MLPClassifier. A fourth
table holds prices, whose R^2 and errors are derived again from the predictions.

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


def houses():
    """500 rows of area, rooms and age, and prices in units of 1e5 that they tell."""
    rng = np.random.default_rng(0)
    area, rooms, age = rng.uniform(30, 250, 500), rng.integers(1, 9, 500), rng.uniform(0, 90, 500)
    return np.column_stack([area, rooms, age]), 50_000 + 2800 * area + 15_000 * rooms - 900 * age + rng.normal(0, 20_000, 500)


def regression_route(terminal):
    """All steps for a table of prices; R^2 on the rows that the training set aside."""
    inputs, prices = houses()
    rows = [",".join(map(repr, map(float, row))) for row in inputs]
    (terminal.folder / "houses.csv").write_text(
        "area,rooms,age,price\n" + "".join(f"{row},{price:.2f}\n" for row, price in zip(rows, prices))
    )
    (terminal.folder / "new.csv").write_text("area,rooms,age\n" + "".join(f"{row}\n" for row in rows))
    model = "runs/houses-1/model.safetensors"
    _, said = terminal.type("asgd train houses.csv")
    check("warning" not in said, "houses: the training warns")
    check("target column 'price' (4 of 4), regression" in said, "houses: train does not say that it is a regression")
    trained = json.loads((terminal.folder / "runs/houses-1/run.json").read_text())["result"]["test_r2"]
    terminal.type(f"asgd evaluate {model} houses.csv")
    score = json.loads(terminal.run(f"asgd evaluate {model} houses.csv --json")[0])
    check(score["r2"] == trained, f"houses: evaluate says {score['r2']}, train said {trained}")

    predicted, _ = terminal.type(f"asgd predict {model} new.csv", lines=4)
    answers = [float(row["price"]) for row in csv.DictReader(io.StringIO(predicted))]
    check(len(answers) == len(prices), f"houses: {len(answers)} predictions for {len(prices)} rows")
    prices = [float(f"{price:.2f}") for price in prices]
    mean = sum(prices) / len(prices)
    residual = sum((answer - price) ** 2 for answer, price in zip(answers, prices))
    r2, rmse = 1 - residual / sum((price - mean) ** 2 for price in prices), (residual / len(prices)) ** 0.5
    whole = json.loads(terminal.run(f"asgd evaluate {model} houses.csv --split all --json")[0])
    check(abs(whole["r2"] - r2) < 1e-5, f"houses: R^2 of the predictions is {r2}, but evaluate says {whole['r2']}")
    own = whole["targets"][0]["rmse"]
    check(abs(own - rmse) < 1e-4 * rmse, f"houses: the RMSE of the predictions is {rmse}, but evaluate says {own}")

    terminal.type(f"asgd export {model} -o houses.onnx")
    files = [terminal.folder / model, terminal.folder / "houses.onnx"]
    done = subprocess.run([sys.executable, ROOT / "tests" / "check_export.py", *files], capture_output=True, text=True)
    check(done.returncode == 0, f"houses: the ONNX file computes something else: {(done.stderr or done.stdout).strip()}")
    return trained


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
    with tempfile.TemporaryDirectory() as folder:
        r2 = regression_route(Terminal(folder, asgd))
    if r2 < 0.9:
        problems.append(f"houses: R^2 is {r2:.3f}, below 0.9")
    print("\n".join(["", "Accuracies without any option", *rows, f"houses: R^2 {r2:.3f}"]))
    if problems:
        fail("; ".join(problems))


enter_venv()
sys.path.insert(0, str(ROOT / "benches" / "peers"))
import numpy as np  # noqa: E402, one of the packages
import tables  # noqa: E402, which needs the packages

main()
