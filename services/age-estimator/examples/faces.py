"""Measures the finding of faces on UTKFace, for the constants in src/faces and their reasons.

    pip install numpy pillow pyarrow
    python faces.py points PROGRAM UTKFACE.zip MANIFEST.parquet    # where the landmarks of chips lie
    python faces.py paste PROGRAM UTKFACE.zip MANIFEST.parquet     # chips in photos, and by themselves
    python faces.py quality PROGRAM UTKFACE.zip MANIFEST.parquet   # errors by size and sharpness
    python faces.py yaw PROGRAM UTKFACE.zip MANIFEST.parquet 1687  # errors by yaw, on so many chips

PROGRAM is a built `agespan`; the manifest lies in the store of a system that imported the archive
(`agespan dataset import`). Points are of the train split, everything else of the validation split.
Seeds are fixed. Pictures are written to a temporary folder only.
"""

import io
import json
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import numpy
import pyarrow.parquet
from PIL import Image, ImageFilter

CHIPS = 400


class Chips:
    """Chips of a split, evenly over it, with their ages."""

    def __init__(self, archive, manifest, split, count):
        rows = pyarrow.parquet.read_table(manifest, columns=["path", "age", "split"]).to_pylist()
        rows = [row for row in rows if row["split"] == split]
        self.rows = rows[:: max(1, len(rows) // count)][:count]
        self.archive = zipfile.ZipFile(archive)
        self.names = {name.split("/")[-1]: name for name in self.archive.namelist()}

    def __iter__(self):
        for row in self.rows:
            data = self.archive.read(self.names[row["path"].split("/")[-1]])
            yield row["age"], Image.open(io.BytesIO(data)).convert("RGB")


def predict(program, pictures, faces):
    """What the program says of each picture; None where it finds no face."""
    with tempfile.TemporaryDirectory() as folder:
        for index, picture in enumerate(pictures):
            picture.save(f"{folder}/{index:06}.png", compress_level=1)
        command = [program, "--json", "predict", "--faces", faces, folder]
        said = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        lines = map(json.loads, said.stdout.splitlines())
        found = {int(pathlib.Path(line["file"]).stem): line for line in lines}
        return [found.get(index) for index in range(len(pictures))]


def landmarks(line):
    names = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
    return numpy.array([line["landmarks"][name] for name in names])


def points(program, chips):
    found = predict(program, [chip for _, chip in chips], "largest")
    sure = [line for line in found if line and line["detection_score"] > 0.99]
    # A chip may show a second face at its edge; its own fills it.
    own = [landmarks(line) for line in sure if line["box"][2] > 100]
    places = numpy.array(own)
    print(f"{len(own)} of {len(found)} chips")
    print("mean", places.mean(axis=0).round(1).tolist())
    print("median", numpy.median(places, axis=0).round(1).tolist())
    print("sd", places.std(axis=0).round(1).tolist())


def on_a_ground(chip, rng, scale, degrees):
    """The chip turned and scaled, somewhere on a larger picture of soft colours."""
    side = round(chip.width * scale)
    face = chip.resize((side, side), Image.LANCZOS).convert("RGBA")
    face = face.rotate(degrees, Image.BICUBIC, expand=True)
    width, height = face.width + 300, face.height + 260
    soft = rng.integers(60, 200, (4, 5, 3)).astype(numpy.uint8)
    ground = Image.fromarray(soft).resize((width, height), Image.BICUBIC)
    ground.paste(face, (int(rng.integers(20, 280)), int(rng.integers(20, 240))), face)
    return ground


def summary(name, apart, ages):
    apart, truth = numpy.array(apart), numpy.array(ages)
    errors = [numpy.abs(apart[:, side] - truth).mean() for side in (0, 1)]
    moved = numpy.abs(apart[:, 0] - apart[:, 1])
    print(
        f"{name:28} n {len(apart):4}  moved by: mean {moved.mean():.2f}, median "
        f"{numpy.median(moved):.2f}, 90 % {numpy.quantile(moved, 0.9):.2f}   error: as a chip "
        f"{errors[0]:.2f}, found {errors[1]:.2f}"
    )


def paste(program, chips):
    ages, pictures = zip(*chips)
    whole = predict(program, pictures, "whole-image")
    for scale in (0.4, 0.7, 1.0, 2.0, 4.0):
        for degrees in (0, 20):
            rng = numpy.random.default_rng(0)
            photos = [on_a_ground(chip, rng, scale, degrees) for chip in pictures]
            found = predict(program, photos, "largest")
            kept = [(a["age"], b["age"], age) for a, b, age in zip(whole, found, ages) if b]
            columns = numpy.array(kept)
            summary(f"scale {scale}, {degrees} degrees", columns[:, :2], columns[:, 2])


def measured(program, photos, ages):
    """Estimate, truth, width, size, sharpness and yaw of each face that is found."""
    lines = zip(predict(program, photos, "largest"), ages)
    return numpy.array(
        [
            (line["age"], age, line["upper"] - line["lower"], line["quality"]["size"],
             line["quality"]["sharpness"], abs(line["quality"]["yaw"]))
            for line, age in lines
            if line
        ]
    )


def quality(program, chips):
    ages, pictures = zip(*chips)
    small, blurred = [], []
    for side in (200, 120, 90, 70, 50, 40, 30, 24):
        rng = numpy.random.default_rng(0)
        photos = [on_a_ground(chip, rng, side / 200, 0) for chip in pictures]
        small.append(measured(program, photos, ages))
        describe(f"{side} pixels", small[-1], len(photos))
    for radius in (0, 1, 2, 3, 4, 6, 8):
        rng = numpy.random.default_rng(0)
        chips = [chip.filter(ImageFilter.GaussianBlur(radius)) for chip in pictures]
        photos = [on_a_ground(chip, rng, 1.0, 0) for chip in chips]
        blurred.append(measured(program, photos, ages))
        describe(f"blur {radius}", blurred[-1], len(photos))
    bins("size", 3, numpy.concatenate(small), (0, 16, 20, 24, 28, 32, 40, 50, 70, 100, 1000))
    edges = (0, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3, 9)
    bins("sharpness", 4, numpy.concatenate(blurred), edges)


def yaw(program, chips):
    ages, pictures = zip(*chips)
    rng = numpy.random.default_rng(0)
    table = measured(program, [on_a_ground(chip, rng, 1.0, 0) for chip in pictures], ages)
    bins("yaw", 5, table, (0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 9))


def describe(name, table, count):
    error = numpy.abs(table[:, 0] - table[:, 1])
    print(
        f"{name:12} found {len(table)} of {count}  error {error.mean():.2f}  width "
        f"{table[:, 2].mean():.1f}  size {numpy.median(table[:, 3]):.0f}  sharpness "
        f"{numpy.median(table[:, 4]):.3f} ({numpy.quantile(table[:, 4], 0.05):.3f} at 5 %)"
    )


def bins(name, column, table, edges):
    for low, high in zip(edges, edges[1:]):
        part = table[(table[:, column] >= low) & (table[:, column] < high)]
        if len(part):
            error = numpy.abs(part[:, 0] - part[:, 1])
            inside = (part[:, 1] - part[:, 0]).mean()
            print(
                f"{name} {low} to {high}: n {len(part)}, error {error.mean():.2f} (median "
                f"{numpy.median(error):.2f}), truth less estimate {inside:+.2f}, width "
                f"{part[:, 2].mean():.1f}"
            )


def main(what, program, archive, manifest, count=CHIPS):
    split = "train" if what == "points" else "validation"
    chips = Chips(archive, manifest, split, int(count))
    {"points": points, "paste": paste, "quality": quality, "yaw": yaw}[what](program, chips)


if __name__ == "__main__":
    main(*sys.argv[1:])
