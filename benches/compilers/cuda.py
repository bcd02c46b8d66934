"""WGSL for NVIDIA's own compiler: naga's Metal text as CUDA C++ (metal_for_cuda.h), NVRTC, ptxas, nvdisasm.

Only naga's text of this project's kernels is understood. What differs from a Vulkan driver: buffers are not checked, and the
front end is another one; the code generator is presumably the same.
"""

import ctypes
import pathlib
import re
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
ARCHITECTURE = "90"
BUILTINS = {
    "thread_index_in_threadgroup": "threadIdx.x",
    "threadgroup_position_in_grid": "metal::uint3(blockIdx.x, blockIdx.y, blockIdx.z)",
    "threadgroups_per_grid": "metal::uint3(gridDim.x, gridDim.y, gridDim.z)",
    "thread_position_in_grid": "metal::uint3(blockIdx.x * blockDim.x + threadIdx.x, blockIdx.y, blockIdx.z)",
}
# (what, what instead): the order matters.
TRANSLATIONS = [
    (r"#include.*\n", ""),
    # CUDA has a type of this name too.
    (r"(?<!:)\buint2\b", "metal::uint2"),
    # In C++, these are doubles.
    (r"\b\d+\.\d+\b", r"\g<0>f"),
    # The command-line naga zeroes workgroup memory; the engine asks wgpu not to.
    (r"\) \{\n    if \(\w+ == 0u\) \{\n(?: {8}.*\n)+    \}\n    metal::threadgroup_barrier.*\n", ") {\n"),
    # Vulkan's compilers inline everything.
    (r"(?m)^(?:\[\[.*?\]\] )?(?:kernel )?([\w:]+ \w+\((?!.*;))", r"static __forceinline__ \1"),
]


def translate(metal, workgroup_size):
    """The CUDA text, with one kernel, `k`."""
    name, parameters = re.search(r"kernel void (\w+)\((.*?)\n\) \{", metal, re.S).groups()
    bound, shared, arguments = [], [], []
    for parameter in parameters.strip().split("\n, "):
        kind, rest = parameter.split(" ", 1)
        found = re.match(r"(.+?)(?: const)?& (\w+)", rest)
        if kind == "device":
            # Not written, if it says so.
            const = "const " if " const&" in rest else ""
            bound.append(f"{const}{found[1]}* __restrict__ {found[2]}")
            arguments.append(f"*{found[2]}")
        elif kind == "constant":
            bound.append(f"const __grid_constant__ {found[1]} {found[2]}")
            arguments.append(found[2])
        elif kind == "threadgroup":
            shared.append(f"__shared__ {found[1]} {found[2]};")
            arguments.append(found[2])
        else:
            arguments.append(BUILTINS[re.search(r"\[\[(\w+)\]\]", parameter)[1]])
    for old, new in TRANSLATIONS:
        metal = re.sub(old, new, metal)
    return (
        f"{(HERE / 'metal_for_cuda.h').read_text()}{metal}\n"
        f'extern "C" __global__ void __launch_bounds__({workgroup_size}) k({", ".join(bound)}) {{\n'
        f"    {' '.join(shared)}\n    {name}({', '.join(arguments)});\n}}\n"
    )


def ptx(library, source):
    """What NVRTC, loaded from `library`, makes of a CUDA text."""
    nvrtc = ctypes.CDLL(str(library))
    program = ctypes.c_void_p()
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernel.cu", 0, None, None)
    options = [f"--gpu-architecture=compute_{ARCHITECTURE}", "--device-as-default-execution-space", "--std=c++17", "-w"]
    # Vulkan too promises no better division.
    options += ["--prec-div=false"]
    failed = nvrtc.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*map(str.encode, options)))
    size_of, get = ("nvrtcGetProgramLogSize", "nvrtcGetProgramLog") if failed else ("nvrtcGetPTXSize", "nvrtcGetPTX")
    size = ctypes.c_size_t()
    getattr(nvrtc, size_of)(program, ctypes.byref(size))
    text = ctypes.create_string_buffer(size.value)
    getattr(nvrtc, get)(program, text)
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    if failed:
        errors = [line for line in text.value.decode().splitlines() if "error" in line]
        raise RuntimeError(f"NVRTC: {errors[0] if errors else failed}")
    return text.value


def compile(tools, folder, shader):
    """Registers, bytes of stack, spilled registers and SASS of a shader, by the programs in `tools`.

    The texts on the way stay in `folder`.
    """
    path = lambda suffix: folder / f"{pathlib.Path(shader['shader']).stem}.{suffix}"
    path("wgsl").write_text(shader["wgsl"])
    # Bounds as on Vulkan: those of workgroup memory; buffers are up to the hardware.
    naga = [tools["naga"], "--metal-version", "2.4", "--index-bounds-check-policy", "Restrict"]
    naga += ["--buffer-bounds-check-policy", "Unchecked", "--entry-point", shader["entry"], "--compact"]
    call([*naga, path("wgsl"), path("metal")])
    try:
        source = translate(path("metal").read_text(), shader["workgroup_size"])
    except (AttributeError, KeyError, TypeError) as error:
        raise RuntimeError(f"naga's Metal text is of an unknown form ({error})") from error
    path("cu").write_text(source)
    path("ptx").write_bytes(ptx(tools["nvrtc"], source))
    told = call([tools["ptxas"], "-v", f"-arch=sm_{ARCHITECTURE}", path("ptx"), "-o", path("cubin")])
    number = lambda pattern: int(re.search(pattern, told)[1])
    return {
        "registers": number(r"Used (\d+) registers"),
        "stack": number(r"(\d+) bytes stack frame"),
        "spilled": number(r"(\d+) bytes spill stores") // 4,
        "assembly": call([tools["nvdisasm"], "-c", path("cubin")]),
    }


def call(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise RuntimeError(f"{pathlib.Path(command[0]).name}: {lines[0] if lines else done.returncode}")
    return done.stdout + done.stderr
