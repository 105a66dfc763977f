"""Make a CPU-only libtorch directory out of the PyPI wheel of PyTorch.

The wheel is 526 MB and is built for CUDA; what a CPU program needs of it is 435 MB of headers
and two shared objects. The wheel's own libtorch.so asks for libtorch_cuda, so a two-line one is
linked here in its place. libcudart and libcupti are asked for by libtorch_cpu itself.
"""

import shutil
import subprocess
import zipfile
from pathlib import Path

from packages import CACHE, fetch_wheel, say

VERSION = "2.13.0"
TORCH = ("torch", VERSION, "60fcdcb2f3876e21146cb4524ef06397d727ca9ad5f020818547e25075fe3cb7")
CUPTI = ("nvidia-cuda-cupti", "13.0.85", "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8")
CUDART = ("nvidia-cuda-runtime", "13.0.96", "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548")

HOME = CACHE / f"libtorch-{VERSION}-cpu"


def unpack(wheel, destination_of):
    """Write the members for which `destination_of(name)` gives a path."""
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            destination = destination_of(member.filename)
            if destination is None or member.is_dir():
                continue
            destination.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as source, open(destination, "wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)


def torch_member(root):
    libraries = {"libc10.so", "libtorch_cpu.so", "libgomp.so.1"}

    def destination(name):
        if name.startswith("torch/include/"):
            return root / name.removeprefix("torch/")
        file = Path(name).name
        if name.startswith("torch/lib/") and file in libraries:
            return root / "lib" / file
        return None

    return destination


def named(root, file):
    return lambda name: root / "lib" / file if name.endswith("/" + file) else None


def main():
    if (HOME / "build-version").exists():
        say(f"libtorch {VERSION} (CPU) is there")
        return
    staging = HOME.with_suffix(".part")
    shutil.rmtree(staging, ignore_errors=True)
    unpack(fetch_wheel(*TORCH), torch_member(staging))
    unpack(fetch_wheel(*CUPTI), named(staging, "libcupti.so.13"))
    unpack(fetch_wheel(*CUDART), named(staging, "libcudart.so.13"))
    say("linking libtorch.so against libtorch_cpu only")
    lib = staging / "lib"
    subprocess.run(
        ["g++", "-shared", "-o", lib / "libtorch.so", "-Wl,--no-as-needed", f"-L{lib}",
         "-Wl,-rpath,$ORIGIN", "-ltorch_cpu", "-lc10"],
        check=True,
    )
    (staging / "build-version").write_text(f"{VERSION}+cpu\n")
    shutil.rmtree(HOME, ignore_errors=True)
    staging.rename(HOME)
    say(f"libtorch {VERSION} (CPU) is in {HOME}")


if __name__ == "__main__":
    main()
