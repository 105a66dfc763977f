"""Times JPEG bytes to a normalised tensor against Pillow and NumPy: decode.py DECODE CARD PHOTO...

By the model's card: the middle square, resized by an antialiased bilinear filter, its middle, scaled.
Both on one thread, by turns, on each photo as it is and as one of twelve megapixels. Pillow does it
twice: decoding all pixels, and in `draft` mode, which has libjpeg scale a large photo while it is
decoded, as the service does. Each time is the middle one of the rounds'.
"""

import io
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy
from PIL import Image, features

import machine
import photos

ROUNDS, SECONDS, WARM_UP = 5, 1.0, 3


def by_pillow(jpeg, spec, draft):
    side, crop = spec["resize"], spec["crop"]
    photo = Image.open(io.BytesIO(jpeg))
    if draft:
        # As many pixels as the service asks for.
        photo.draft("RGB", (2 * side, 2 * side))
    photo = photo.convert("RGB")
    edge = min(photo.size)
    left, top = (photo.width - edge) // 2, (photo.height - edge) // 2
    box = (left, top, left + edge, top + edge)
    square = numpy.asarray(photo.resize((side, side), Image.Resampling.BILINEAR, box))
    margin = (side - crop) // 2
    middle = square[margin : margin + crop, margin : margin + crop].astype(numpy.float32)
    middle *= spec["scale"]
    middle += spec["offset"]
    return middle.transpose(2, 0, 1)


def timed(jpeg, spec, draft):
    for _ in range(WARM_UP):
        by_pillow(jpeg, spec, draft)
    times, end = [], time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        started = time.perf_counter()
        tensor = by_pillow(jpeg, spec, draft)
        times.append(time.perf_counter() - started)
    return {"seconds": statistics.median(times), "mean": float(tensor.mean())}


def compare(decode, card, path, spec):
    """Seconds of the service, of Pillow, and of Pillow with draft."""
    jpeg, rounds = path.read_bytes(), []
    for _ in range(ROUNDS):
        ours = json.loads(subprocess.check_output([decode, card, str(path), str(SECONDS)]))
        rounds.append([ours, timed(jpeg, spec, False), timed(jpeg, spec, True)])
    # The same pixels, or the times mean nothing: means of a level's hundredths of 255.
    levels = numpy.array([way["mean"] for way in rounds[0]]) * spec["std"][0] * 255
    assert numpy.ptp(levels) < 1, levels
    return [statistics.median(way["seconds"] for way in ways) for ways in zip(*rounds)]


def report(name, jpeg, ours, whole, draft):
    print(
        f"{name:28} {len(jpeg) / 1e6:5.2f} MB {ours * 1e3:8.2f} ms"
        f"   Pillow {whole * 1e3:.2f} ({whole / ours:.2f}x), with draft {draft * 1e3:.2f} ({draft / ours:.2f}x)"
    )


def main(decode, card, *paths):
    spec = json.loads(pathlib.Path(card).read_text())["spec"]["input"]
    mean, std = numpy.float32(spec["mean"]), numpy.float32(spec["std"])
    spec["scale"], spec["offset"] = 1 / (255 * std), -mean / std
    library = features.version_feature("libjpeg_turbo")
    print(f"JPEG to tensor, one thread; {machine.described()}; Pillow {Image.__version__}, libjpeg-turbo {library}")
    with tempfile.TemporaryDirectory() as folder:
        for path in map(pathlib.Path, paths):
            with Image.open(path) as photo:
                name = f"{path.stem}, {photo.width}x{photo.height}"
            report(name, path.read_bytes(), *compare(decode, card, path, spec))
            large = pathlib.Path(folder, path.name)
            large.write_bytes(photos.enlarged(path, photos.TWELVE_MEGAPIXELS))
            report(f"{path.stem}, 12 megapixels", large.read_bytes(), *compare(decode, card, large, spec))


if __name__ == "__main__":
    main(*sys.argv[1:])
