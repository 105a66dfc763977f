"""Photos of any size, out of small ones."""

import io

import numpy
from PIL import Image, ImageOps

TWELVE_MEGAPIXELS = (4000, 3000)
NOISE, QUALITY = 4, 90


def enlarged(photo, size):
    """A photo as the JPEG of a camera that took it with so many pixels across and down.

    Enlarging makes no detail, and what has none is decoded in no time: so it gets a sensor's noise.
    """
    with Image.open(photo) as small:
        pixels = numpy.asarray(ImageOps.fit(small.convert("RGB"), size, Image.Resampling.BICUBIC))
    noise = numpy.random.default_rng(7).normal(0, NOISE, pixels.shape[:2]).astype(numpy.float32)
    noisy = (pixels + noise[:, :, None]).clip(0, 255).astype(numpy.uint8)
    file = io.BytesIO()
    Image.fromarray(noisy).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def pixels(photo):
    with Image.open(photo) as opened:
        return opened.width * opened.height
