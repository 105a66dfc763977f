"""Times an import against a Pillow and NumPy script: dataset.py AGESPAN [ARCHIVE]

The script decodes every image of the zip, hashes its pixels and resizes it to the nine pixels a
side that near duplicates are told by, and does no more. The import does that and also checks,
groups, splits, packs and stores. Both in this run, on the same cores: the script as a loop, and as
the same loop in a process for each core. Without an archive the images are made here, of the kind
that UTKFace's are: JPEGs of 200 pixels a side.
"""

import hashlib
import io
import json
import multiprocessing
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import zipfile

import numpy
from PIL import Image

import machine

ROUNDS, MADE, SIDE = 3, 6000, 9


def make(path):
    rng = numpy.random.default_rng(7)
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(MADE):
            # Smooth, with some noise: compressed as far as a face is.
            coarse = rng.integers(0, 256, (12, 12, 3), dtype=numpy.uint8)
            image = Image.fromarray(coarse).resize((200, 200), Image.Resampling.BICUBIC)
            noisy = numpy.asarray(image) + rng.normal(0, 4, (200, 200, 3))
            file = io.BytesIO()
            image = Image.fromarray(noisy.clip(0, 255).astype(numpy.uint8))
            image.save(file, "JPEG", quality=75)
            name = f"{number % 100}_{number % 2}_{number % 5}_2017{number:013}.jpg"
            archive.writestr(name, file.getvalue())


def prepare(file):
    with Image.open(io.BytesIO(file)) as image:
        pixels = numpy.asarray(image.convert("RGB"))
        small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return hashlib.sha256(pixels.tobytes()).digest(), numpy.asarray(small).mean()


def files(archive):
    with zipfile.ZipFile(archive) as opened:
        for name in sorted(opened.namelist()):
            if not name.endswith("/"):
                yield opened.read(name)


def by_loop(archive):
    return sum(1 for _ in map(attempt, files(archive)))


def by_processes(archive):
    with multiprocessing.Pool(os.cpu_count()) as pool:
        return sum(1 for _ in pool.imap_unordered(attempt, files(archive), chunksize=32))


def attempt(file):
    try:
        return prepare(file)
    except OSError:
        return None


class System:
    """A dataset service of its own."""

    def __init__(self, agespan, folder):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        address = f"127.0.0.1:{port}"
        self.command = [agespan, "--server", f"http://{address}", "--json", "dataset"]
        self.process = subprocess.Popen(
            [agespan, "up", "--services", "dataset", "--listen", address, "--data-dir", folder],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while subprocess.run(self.command + ["list"], capture_output=True).returncode:
            if self.process.poll() is not None:
                sys.exit("the dataset service did not start")
            time.sleep(0.1)

    def run(self, *arguments):
        done = subprocess.run(self.command + list(arguments), capture_output=True, check=True)
        return json.loads(done.stdout)

    def stop(self):
        self.process.terminate()
        self.process.wait()


def best(work):
    times = []
    for number in range(ROUNDS):
        started = time.perf_counter()
        result = work(number)
        times.append(time.perf_counter() - started)
    return min(times), result


def main(agespan, archive=None):
    cores = os.cpu_count()
    with tempfile.TemporaryDirectory() as folder:
        if archive is None:
            archive = pathlib.Path(folder) / "made.zip"
            make(archive)
        system = System(agespan, folder)
        try:
            ours, found = best(
                lambda n: system.run("import", str(archive), "--name", f"round-{n}")
            )
        finally:
            system.stop()
        loop, count = best(lambda _: by_loop(archive))
        processes, _ = best(lambda _: by_processes(archive))
    # The same files, or the times mean nothing.
    assert count == found["sample_count"] + found["quarantined_count"], (count, found)
    print(f"{count:,} images; {machine.described()}; Pillow {Image.__version__}")
    row("import, whole command", count, ours)
    row("decode, hash, resize: Pillow", count, loop, ours)
    row(f"the same in {cores} processes", count, processes, ours)


def row(name, count, seconds, ours=None):
    ratio = f"   import is {seconds / ours:.1f}x as fast" if ours else ""
    print(f"{name:30} {count / seconds:8.0f} images/s{ratio}")


if __name__ == "__main__":
    main(*sys.argv[1:])
