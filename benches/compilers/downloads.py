"""Compilers that are downloaded to target/compilers and stay there; nothing is installed into the system."""

import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "target" / "compilers"
# Its Mesa knows navi31 and has NAK, and a shim that passes for an NVIDIA GPU.
SUITE = "trixie"
PACKAGES = ["mesa-vulkan-drivers", "mesa-drm-shim", "libvulkan1"]
WHEELS = ["nvidia-cuda-nvrtc-cu12", "nvidia-cuda-nvcc-cu12", "nvidia-cuda-nvdisasm"]
NAGA = "30"
# Folders of its own, and a system in which nothing is installed: so apt brings all that the packages need.
APT = """
Dir::State "{folder}";
Dir::State::lists "{folder}/lists";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}";
Dir::Etc::sourcelist "{folder}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
APT::Install-Recommends "false";
APT::Sandbox::User "";
"""


class Missing(Exception):
    """Why a compiler is not here, in one line."""


def call(*command, **options):
    """Standard output of a command."""
    try:
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=ROOT, **options)
    except OSError as error:
        raise Missing(f"{command[0]}: {error.strerror}") from error
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        errors = [line for line in lines if line.lower().startswith(("e:", "error"))] or lines[-1:]
        raise Missing(f"{command[0]}: {errors[0] if errors else f'status {done.returncode}'}")
    return done.stdout


def debian():
    """The `usr` of an unpacked Debian of SUITE, from the mirror that this machine uses."""
    folder = FOLDER / SUITE
    usr = folder / "root" / "usr"
    if not (folder / "complete").exists():
        (folder / "lists" / "partial").mkdir(parents=True, exist_ok=True)
        (folder / "archives" / "partial").mkdir(parents=True, exist_ok=True)
        mirrors = call("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Component: main")
        mirrors = [mirror for mirror in mirrors.split() if "security" not in mirror]
        if not mirrors:
            raise Missing("apt-get knows no mirror of Debian")
        (folder / "sources.list").write_text(f"deb {mirrors[0]} {SUITE} main\n")
        (folder / "status").touch()
        (folder / "apt.conf").write_text(APT.format(folder=folder))
        call("apt-get", "-c", folder / "apt.conf", "update", "--error-on=any")
        call("apt-get", "-c", folder / "apt.conf", "install", "--yes", "--download-only", *PACKAGES)
        for package in (folder / "archives").glob("*.deb"):
            call("dpkg-deb", "-x", package, folder / "root")
        (folder / "complete").touch()
    return usr


def nvidia():
    """Paths of NVRTC, ptxas and nvdisasm."""
    folder = FOLDER / "nvidia"
    patterns = {"nvrtc": "libnvrtc.so.*", "ptxas": "bin/ptxas", "nvdisasm": "bin/nvdisasm"}
    find = lambda: {tool: next(folder.rglob(pattern), None) for tool, pattern in patterns.items()}
    if not all(find().values()):
        call(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade", "--target", folder, *WHEELS)
    for tool, path in find().items():
        if not path:
            raise Missing(f"{tool} is in none of {', '.join(WHEELS)}")
    return find()


def naga():
    """The command-line naga of wgpu's version."""
    own = FOLDER / "bin" / "naga"
    for candidate in (shutil.which("naga"), own):
        if candidate and pathlib.Path(candidate).exists() and call(candidate, "--version").startswith(f"{NAGA}."):
            return candidate
    call("cargo", "install", "--quiet", "--locked", "naga-cli", "--version", f"^{NAGA}", "--root", FOLDER)
    return own
