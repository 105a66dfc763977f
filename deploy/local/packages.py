"""Fetch pinned files from PyPI into a cache, and check them. Standard library and pip only."""

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

CACHE = Path(os.environ.get("AGESPAN_CACHE", Path.home() / ".cache" / "agespan"))

# Several tags, since each package names the oldest glibc that it runs on.
PLATFORMS = ["manylinux_2_28_x86_64", "manylinux_2_25_x86_64", "manylinux2014_x86_64", "any"]


def say(text):
    print(f"  {text}", flush=True)


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def fetch_wheel(package, version, expected):
    """The path of `package`'s wheel, downloaded once and verified against its SHA-256."""
    folder = CACHE / "downloads"
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{package.replace('-', '_')}-{version}-"
    for known in folder.glob(f"{stem}*.whl"):
        if sha256(known) == expected:
            return known
        known.unlink()
    say(f"fetching {package} {version} from PyPI")
    with tempfile.TemporaryDirectory(dir=folder) as fresh:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", fresh]
        command += ["--only-binary=:all:", "--python-version", "3.11"]
        for platform in PLATFORMS:
            command += ["--platform", platform]
        subprocess.run([*command, f"{package}=={version}"], check=True)
        (wheel,) = Path(fresh).glob(f"{stem}*.whl")
        found = sha256(wheel)
        if found != expected:
            sys.exit(f"{wheel.name}: SHA-256 is {found}, expected {expected}; nothing was installed")
        return wheel.rename(folder / wheel.name)
