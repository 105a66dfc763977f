"""Pictures: PNG by hand, JPEG and WebP from the repository, and EXIF before them."""

import pathlib
import struct
import zlib

REPOSITORY = pathlib.Path(__file__).parents[3]
PHOTOS = ["deploy/demo/faces/collins.jpg"]
SMALL = ["cmyk.jpg", "progressive.jpg", "restart.jpg", "thumbnail.jpg", "lossy.webp"]
SIDE = 24


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(depth, colour, interlaced=0, before=b"", side=SIDE):
    """Colour is PNG's number: 0 grey, 2 RGB, 3 palette, 4 grey with alpha, 6 RGB with alpha."""
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    row = bytes(x * 7 % 251 for x in range(-(-side * samples * depth // 8)))
    # Seven passes of unequal rows: as many zeros as are surely enough.
    pixels = bytes(2 * side * (len(row) + 1)) if interlaced else b"".join(
        bytes([y % 5]) + row for y in range(side)
    )
    header = struct.pack(">IIBBBBB", side, side, depth, colour, 0, 0, interlaced)
    palette = chunk(b"PLTE", bytes(range(192)) + bytes(576)) if colour == 3 else b""
    return b"".join([
        b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), before, palette,
        chunk(b"IDAT", zlib.compress(pixels, 9)), chunk(b"IEND", b""),
    ])


def animated():
    control = chunk(b"acTL", struct.pack(">II", 2, 0))
    frame = chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, SIDE, SIDE, 0, 0, 1, 10, 0, 0))
    return png(8, 2, before=control + frame)


def profile():
    return png(8, 2, before=chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(4096))))


def exif(orientation):
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    return b"II*\0" + struct.pack("<IH", 8, 1) + entry + bytes(4)


def turned(jpeg, orientation):
    body = b"Exif\0\0" + exif(orientation)
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


def riff(kind, data):
    return kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def lossless(side=SIDE):
    """One colour: every code has one symbol, so that a pixel takes no bits."""
    size = (side - 1) | (side - 1) << 14 | 1 << 28
    data = b"\x2f" + struct.pack("<I", size) + b"\x07\x10\x11\x11\x88\x88\xfe\x07"
    return riff(b"RIFF", b"WEBP" + riff(b"VP8L", data))


def extended(still):
    """A WebP with metadata, as a canvas and as an animation of one frame."""
    picture, side = still[12:], struct.pack("<I", SIDE - 1)[:3]
    canvas = riff(b"VP8X", b"\x08\0\0\0" + side * 2) + picture + riff(b"EXIF", exif(6))
    frame = bytes(6) + side * 2 + bytes(4) + picture
    moving = riff(b"VP8X", b"\x02\0\0\0" + side * 2) + riff(b"ANIM", bytes(6))
    moving += riff(b"ANMF", frame)
    return [riff(b"RIFF", b"WEBP" + body) for body in (canvas, moving)]


def files():
    data = REPOSITORY / "shared/imaging/tests/data"
    small = [(data / name).read_bytes() for name in SMALL]
    kinds = [(1, 0), (8, 0), (16, 0), (8, 2), (16, 2), (4, 3), (8, 3), (8, 4), (8, 6), (16, 6)]
    return [
        *small, *[turned(small[1], orientation) for orientation in (3, 6, 7)],
        *[(REPOSITORY / photo).read_bytes() for photo in PHOTOS],
        *[png(*kind) for kind in kinds], png(8, 2, interlaced=1), animated(), profile(),
        lossless(), *extended(lossless()),
    ]
