"""What the compilers of GPUs make of every shader, asked without a GPU: registers, occupancy, spills, instructions.

Run: python3 benches/compilers/compilers.py [--out FILE] [FILE.wgsl...]      (also: make compilers)
     python3 benches/compilers/compilers.py --bound [FILE.wgsl...]

AMD's in Mesa (ACO), NVIDIA's in Mesa (NAK) and NVIDIA's own (ptxas); downloads.py brings what Debian's packages on this machine
do not have, and what cannot be had is left out, with a line that says so. FILEs take the place of the shaders.

--bound asks ACO of the installed mesa-vulkan-drivers only, and fails where a shader spills, uses scratch memory or leaves too few
waves, or where there is nothing to ask.
"""

import argparse
import datetime
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import assembly
import cuda
import downloads
from downloads import Missing

HERE = pathlib.Path(__file__).resolve().parent
INPUTS = {"8-bit": [], "f32": ["--f32"]}
# Fewer waves of 64 do not hide the loads of the kernels of blocks; step has all that it works on in workgroup memory.
MIN_WAVES = {"step": 4}
MIN_WAVES_ELSEWHERE = 5
# Warps, workgroups and bytes of shared memory of a multiprocessor.
SM_86 = (48, 16, 100 << 10)
SM_90 = (64, 32, 228 << 10)
DRIVERS = ["/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/usr/share/vulkan/icd.d"]


def build():
    """The executable of shader_statistics.rs."""
    cargo = os.environ.get("CARGO", "cargo")
    output = downloads.call(cargo, "build", "--locked", "--example", "shader_statistics", "--message-format", "json")
    messages = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    built = next((m["executable"] for m in messages if m.get("executable")), None)
    if built is None:
        raise Missing("cargo names no shader_statistics that it built")
    return built


def lines(command, **variables):
    """The shaders that shader_statistics tells of."""
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, env={**os.environ, **variables}, timeout=900
    )
    if done.returncode:
        told = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        raise Missing(next((line for line in told if line.startswith("shader_statistics:")), told[-1]))
    return [json.loads(line) for line in done.stdout.splitlines()]


def vulkan(command, driver, device, files, **variables):
    """(inputs, shader) of a driver without a GPU; `device` is in its name."""
    with tempfile.TemporaryDirectory() as folder:
        # Old loaders know only the second name of the first variable.
        variables |= {"VK_DRIVER_FILES": str(driver), "VK_ICD_FILENAMES": str(driver)}
        variables |= {"MESA_SHADER_CACHE_DISABLE": "1", "XDG_RUNTIME_DIR": folder}
        for inputs, option in INPUTS.items():
            for shader in lines([*command, *option, *files], **variables):
                if device not in shader["device"]:
                    raise Missing(f"{driver} drives {shader['device']}, not {device}")
                yield inputs, shader
            if files:
                break


def row(inputs, shader, registers, occupancy, spilled, scratch, text, language):
    instructions, product = assembly.count(text, language)
    return {
        "shader": shader["shader"],
        "inputs": inputs,
        "registers": registers,
        "occupancy": occupancy,
        "spilled": spilled,
        "scratch": scratch,
        "workgroup memory": shader["workgroup_bytes"],
        "instructions": instructions,
        "product": product,
    }


def aco(command, driver, family, files):
    """The version and a row a shader. The null device drives `family`."""
    rows = []
    for inputs, shader in vulkan(command, driver, family, files, RADV_FORCE_FAMILY=family.lower()):
        said = {name: int(value) for name, value in shader["statistics"].items()}
        spilled = said["Spilled VGPRs"] + said["Spilled SGPRs"]
        # RADV counts as if waves were of 32.
        waves = said["Subgroups per SIMD"] // 2
        figures = said["VGPRs"], waves, spilled, said["Scratch size"]
        rows.append(row(inputs, shader, *figures, shader["texts"]["Assembly"], "ACO"))
    return f"Mesa {shader['driver']}", rows


def warps(registers, workgroup_size, workgroup_bytes, multiprocessor):
    """Warps of a multiprocessor, whose four quarters have 16,384 registers each."""
    most_warps, most_groups, shared_bytes = multiprocessor
    group = -(-workgroup_size // 32)
    quarter = 16384 // (32 * -(-registers // 8) * 8)
    # CUDA keeps 1 KiB of shared memory of each workgroup for itself.
    return group * min(most_warps // group, most_groups, 4 * quarter // group, shared_bytes // (workgroup_bytes + 1024))


def installed_radv():
    found = [path for folder in DRIVERS for path in pathlib.Path(folder).glob("radeon_icd*.json")]
    if not found:
        raise Missing("no radeon_icd*.json: install Debian's mesa-vulkan-drivers (and libvulkan1)")
    return found[0]


def navi21(program, files):
    return aco([program], installed_radv(), "NAVI21", files)


def in_debian(program, *preload):
    """A command line that runs `program` with the libraries of a newer Debian, and that Debian's drivers."""
    usr = downloads.debian()
    for loader in usr.glob("lib/*/ld-linux*"):
        libraries = loader.parent
        options = [word for library in preload for word in ("--preload", libraries / library)]
        return [loader, *options, "--library-path", libraries, program], usr / "share" / "vulkan" / "icd.d"
    raise Missing(f"no ld-linux in {usr}")


def navi31(program, files):
    command, drivers = in_debian(program)
    return aco(command, drivers / "radeon_icd.json", "NAVI31", files)


def nak(program, files):
    command, drivers = in_debian(program, "libnouveau_noop_drm_shim.so")
    variables = {"NOUVEAU_CHIPSET": "172", "NVK_I_WANT_A_BROKEN_VULKAN_DRIVER": "1"}
    rows = []
    for inputs, shader in vulkan(command, drivers / "nouveau_icd.json", "NVK", files, **variables):
        said = {name: int(value) for name, value in shader["statistics"].items()}
        registers = said["Number of GPRs"]
        occupancy = warps(registers, shader["workgroup_size"], shader["workgroup_bytes"], SM_86)
        figures = registers, occupancy, "not told", said["SLM Size"]
        rows.append(row(inputs, shader, *figures, shader["texts"]["NAK assembly"], "NAK"))
    return f"Mesa {shader['driver']}", rows


def ptxas(program, files):
    tools = {**downloads.nvidia(), "naga": downloads.naga()}
    rows = []
    for inputs, option in INPUTS.items():
        folder = downloads.FOLDER / "sm_90" / inputs
        folder.mkdir(parents=True, exist_ok=True)
        for shader in lines([program, "--wgsl", *option, *files]):
            try:
                made = cuda.compile(tools, folder, shader)
            except RuntimeError as error:
                raise Missing(f"{shader['shader']}: {error}") from error
            occupancy = warps(made["registers"], shader["workgroup_size"], shader["workgroup_bytes"], SM_90)
            figures = made["registers"], occupancy, made["spilled"], made["stack"]
            rows.append(row(inputs, shader, *figures, made["assembly"], "SASS"))
        if files:
            break
    return f"CUDA {re.search(r'release [^,]*, V(.*)', downloads.call(tools['ptxas'], '--version'))[1]}", rows


COMPILERS = [
    ("AMD navi21 (RDNA 2), ACO", "VGPRs", "waves of 64 a SIMD", navi21),
    ("AMD navi31 (RDNA 3), ACO", "VGPRs", "waves of 64 a SIMD", navi31),
    ("NVIDIA GA102 (sm_86), NAK", "registers", "warps a multiprocessor", nak),
    ("NVIDIA H100 (sm_90), ptxas", "registers", "warps a multiprocessor", ptxas),
]


def differs(a, b):
    """Whether two rows of a shader do, much."""
    much = lambda what: abs(a[what] - b[what]) * 10 > max(a[what], b[what])
    return any(map(much, ("registers", "occupancy", "instructions"))) or a["scratch"] != b["scratch"]


def table(rows, registers, occupancy):
    head = ["shader", registers, occupancy, "spilled", "scratch, B", "workgroup memory, B", "instructions", "product"]
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    first = {}
    for row in sorted(rows, key=lambda row: (row["shader"], row["inputs"])):
        if row is not first.setdefault(row["shader"], row):
            if not differs(first[row["shader"]], row):
                continue
            row = {**row, "shader": f"{row['shader']}, {row['inputs']} inputs"}
        product = "{} / {}".format(*row["product"]) if row["product"] else ""
        cells = {**row, "product": product}
        del cells["inputs"]
        yield f"| {' | '.join(map(str, cells.values()))} |"


def report(program, files):
    """Lines of Markdown."""
    commit = downloads.call("git", "describe", "--always", "--dirty").strip()
    yield f"`python3 {' '.join(sys.argv)}` on {datetime.date.today()}, asgd at {commit}. No GPU was used and nothing was run."
    yield ""
    yield "Shaders as composed for 8-bit inputs, and for f32 ones where those differ by more than a tenth, with wgpu 30's checks"
    yield "of indices and loops. Product: multiply-adds / instructions of the innermost loop of a kernel of blocks, both sides of"
    yield "its branches counted. Scratch: of a wave on AMD; of an invocation, as local memory, on NVIDIA. Workgroup memory is as"
    yield "declared. ptxas reads naga's Metal text as CUDA: no checks of buffers, and not the front end of the Vulkan driver."
    for name, registers, occupancy, ask in COMPILERS:
        yield from ("", f"## {name}", "")
        try:
            version, rows = ask(program, files)
            yield from (f"{version}.", "", *table(rows, registers, occupancy))
        except (Missing, OSError, subprocess.TimeoutExpired) as reason:
            yield f"Left out: {reason}"


def faults(rows):
    for row in rows:
        name = f"{row['shader']} ({row['inputs']} inputs)"
        if row["spilled"]:
            yield f"{name} spills {row['spilled']} registers"
        if row["scratch"]:
            yield f"{name} uses {row['scratch']} bytes of scratch memory"
        least = MIN_WAVES.get(row["shader"], MIN_WAVES_ELSEWHERE)
        if row["occupancy"] < least:
            yield f"{name}: {row['occupancy']} waves of 64 a SIMD, fewer than {least}"


def bound(program, files):
    """Fails, or says in a line what was found."""
    # A check that cannot fail is none.
    _, planted = navi21(program, [HERE / "planted.wgsl"])
    if not list(faults(planted)):
        sys.exit("planted.wgsl, which needs scratch memory, is within the bound: the bound does not work")
    version, rows = navi21(program, files)
    if found := list(faults(rows)):
        sys.exit("\n".join(found))
    waves = min(row["occupancy"] for row in rows)
    yield f"navi21, {version}: {len(rows)} shaders; none spills or uses scratch memory; {waves} waves of 64 a SIMD or more"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bound", action="store_true")
    parser.add_argument("--out", type=pathlib.Path, metavar="FILE")
    parser.add_argument("files", nargs="*", type=pathlib.Path, metavar="FILE.wgsl")
    arguments = parser.parse_args()
    files = [file.resolve() for file in arguments.files]
    try:
        text = []
        for line in (bound if arguments.bound else report)(build(), files):
            print(line, flush=True)
            text.append(line)
        if arguments.out:
            arguments.out.write_text("\n".join([*text, ""]))
    except (Missing, OSError, subprocess.TimeoutExpired) as error:
        sys.exit(f"compilers.py: {error}")


if __name__ == "__main__":
    main()
