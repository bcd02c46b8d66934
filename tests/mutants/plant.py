#!/usr/bin/env python3
"""Plants faults in the code, one at a time, and says which tests find them.

mutants.toml, beside this file, holds the faults, a table each:

    [[fault]]
    name = "a sentence of what is then wrong"
    file = "path from the root of the repository"
    find = "text that occurs in the file exactly once"
    replace = "what is put in its place"
    test = "arguments of `cargo test --locked --features parquet` that name the cheapest tests that must fail"
    hangs = true        # optional: a test that takes ten minutes has found it

A fault is caught if the tests named with it pass without it, are built with it, and fail. What does not compile is not caught.

    tests/mutants/plant.py                        all faults, in a worktree of HEAD under target/mutants
    tests/mutants/plant.py onnx 3-7 12            those with "onnx" in name or file, and some numbers
    tests/mutants/plant.py --tree DIR             in that worktree, which must not be worked in meanwhile
    tests/mutants/plant.py --table docs/mutants.md    writes the table; rows of faults that are not planted now stay
    tests/mutants/plant.py --check                only checks that every text occurs exactly once: a second

A fault costs a build of what changed and the tests it names. CARGO_PROFILE_TEST_OPT_LEVEL=0 makes the builds much faster, and tests that
train for long slower.

Exits with 1 unless all of them are caught (with --check, unless all apply). Needs Python 3.11 and what `make test` needs.
"""

import argparse
import datetime
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FAULTS = Path(__file__).with_name("mutants.toml")
CARGO_TEST = ["cargo", "test", "--locked", "--features", "parquet"]
TIMEOUT_SECONDS = 600

HEADER = """# Planted faults

Each row is a fault that was planted in the code on its own, and the tests that failed with it: what a test suite is worth is what it
notices. A fault counts as caught if the tests named with it in [mutants.toml](../tests/mutants/mutants.toml) pass without it, are
built with it, and fail. Made by `{command}` ({date}); `tests/mutants/plant.py --check`, which CI runs, keeps the faults
applicable to the code as it changes.

| | fault | file | caught by |
|---|---|---|---|
"""


def main():
    arguments = parse_arguments()
    # So that a fault is taken away again.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    faults = list(enumerate(tomllib.loads(FAULTS.read_text())["fault"], 1))
    chosen = [(number, fault) for number, fault in faults if is_chosen(number, fault, arguments.which)]
    if not chosen:
        sys.exit("no fault is of that name or number")
    if arguments.check:
        problems = [f"{number} {fault['name']}: {problem}" for number, fault in chosen if (problem := misfit(fault, ROOT))]
        print("\n".join(problems) or f"all {len(chosen)} faults apply")
        sys.exit(bool(problems))
    tree = Path(arguments.tree).resolve() if arguments.tree else make_worktree()
    # All at once, so that the tests are built once.
    sound = {test: arguments.trust or passes(test, tree) for test in dict.fromkeys(fault["test"] for _, fault in chosen)}
    rows, missed = {}, []
    for number, fault in chosen:
        start = time.monotonic()
        is_caught, verdict = plant(fault, tree, sound[fault["test"]])
        print(f"{number:3} {fault['name']}: {verdict} ({time.monotonic() - start:.0f} s)", flush=True)
        rows[number] = row(number, fault, verdict if is_caught else f"**{verdict}**")
        missed += [] if is_caught else [number]
        if arguments.table:
            write_table(Path(arguments.table), faults, rows)
    print(f"{len(chosen) - len(missed)} of {len(chosen)} faults are caught" + (f"; not {missed}" if missed else ""))
    sys.exit(bool(missed))


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", nargs="*", metavar="PATTERN | NUMBER | FROM-TO", help="faults by name, file or number; all if none is given")
    parser.add_argument("--tree", metavar="DIR", help="a worktree to plant in")
    parser.add_argument("--table", metavar="FILE.md", help="write the table there")
    parser.add_argument("--trust", action="store_true", help="take it that all tests pass without a fault, because `make test` has just passed")
    parser.add_argument("--check", action="store_true", help="only check that every fault applies")
    return parser.parse_args()


def is_chosen(number, fault, which):
    def matches(word):
        if numbers := re.fullmatch(r"(\d+)(?:-(\d+))?", word):
            first, last = numbers[1], numbers[2] or numbers[1]
            return int(first) <= number <= int(last)
        return re.search(word, f"{fault['name']} {fault['file']}", re.IGNORECASE)

    return not which or any(matches(word) for word in which)


def misfit(fault, tree):
    """Why a fault does not apply, or nothing."""
    path = tree / fault["file"]
    if not path.is_file():
        return f"there is no {fault['file']}"
    count = path.read_text().count(fault["find"])
    return "" if count == 1 else f"its text occurs {count} times in {fault['file']}"


def make_worktree():
    """A worktree of HEAD, whose target folder stays for the next time."""
    tree = ROOT / "target/mutants"
    if (tree / ".git").exists():
        subprocess.run(["git", "checkout", "--quiet", "--force", "--detach", git("rev-parse", "HEAD")], cwd=tree, check=True)
    else:
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", "--force", tree, "HEAD"], cwd=ROOT, check=True)
    return tree


def git(*arguments):
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def passes(test, tree):
    """Whether tests pass without a fault, and there are any."""
    code, output, _ = build_and_run(test, tree)
    return code == 0 and any(int(count) for count in re.findall(r"^running (\d+) tests?$", output, re.MULTILINE))


def plant(fault, tree, is_sound):
    """Whether its tests, which pass without it if `is_sound`, find a fault, and how."""
    if problem := misfit(fault, tree):
        return False, f"does not apply: {problem}"
    if not is_sound:
        return False, "not tested: its tests fail, or there are none, without it as well"
    path = tree / fault["file"]
    original = path.read_text()
    try:
        path.write_text(original.replace(fault["find"], fault["replace"]))
        code, output, is_late = build_and_run(fault["test"], tree)
    finally:
        path.write_text(original)
    if code is None:
        return False, "does not build"
    failed = sorted(set(re.findall(r"^test (\S+).* \.\.\. FAILED$", output, re.MULTILINE)))
    if is_late:
        return fault.get("hangs", False), f"no end within {TIMEOUT_SECONDS} s"
    if code == 0:
        return False, "NOT CAUGHT"
    return True, ", ".join(failed) or f"the tests' process, which ended with {code}"


def build_and_run(test, tree):
    """Exit code and output of tests, and whether they took too long. No exit code if they do not build, which takes its time."""
    code, output, _ = cargo(test, tree, ["--no-run"])
    return cargo(test, tree, []) if code == 0 else (None, output, False)


def cargo(test, tree, options):
    words = shlex.split(test)
    split = words.index("--") if "--" in words else len(words)
    command = [*CARGO_TEST, "--no-fail-fast", *options, *words[:split], *([] if options else words[split:])]
    process = subprocess.Popen(command, cwd=tree, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    try:
        output, _ = process.communicate(timeout=None if options else TIMEOUT_SECONDS)
        return process.returncode, output, False
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return 1, process.communicate()[0], True
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise


def row(number, fault, verdict):
    return f"| {number} | {fault['name']} | {fault['file']} | {verdict} |".replace("<", "&lt;")


def write_table(path, faults, rows):
    """Writes the rows; those of other faults are kept from the table that is there, by name."""
    kept = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        cells = line.split(" | ")
        if len(cells) == 4:
            kept[cells[1]] = cells
    for number, fault in faults:
        name = row(number, fault, "").split(" | ")[1]
        if number not in rows and name in kept:
            rows[number] = row(number, fault, kept[name][3].removesuffix(" |"))
    date = datetime.date.today().isoformat()
    text = HEADER.format(command="tests/mutants/plant.py --table docs/mutants.md", date=date)
    path.write_text(text + "".join(rows[number] + "\n" for number in sorted(rows)))


if __name__ == "__main__":
    main()
