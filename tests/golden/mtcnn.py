"""Makes mtcnn.json and mtcnn.png: what facenet-pytorch's MTCNN finds in a photo of several faces.

The photo is put together from the two portraits that come with the project, at several sizes, some
turned, one cut by the edge. It is kept without loss, since decoders of JPEG differ in the last bit
and the comparison is to be of the same pixels. Run once, by hand:

    pip install --no-deps facenet-pytorch==2.6.0
    pip install torch==2.13.0 torchvision==0.28.0 numpy pillow
    python mtcnn.py
"""

import importlib.metadata
import json
import pathlib

import numpy
import torch
from facenet_pytorch import MTCNN
from PIL import Image

HERE = pathlib.Path(__file__).parent
FACES = HERE.parent.parent / "deploy" / "demo" / "faces"
SIZE = (780, 560)
# Portrait, side, degrees turned, left, top.
PLACED = [
    ("obama", 300, 0, 20, 20),
    ("collins", 200, 0, 350, 30),
    ("obama", 120, 15, 580, 40),
    ("collins", 120, -20, 360, 270),
    ("collins", 72, 0, 700, 220),
    ("obama", 48, 0, 560, 260),
    ("collins", 36, 0, 640, 300),
    ("obama", 160, 0, 690, 360),
    ("collins", 180, 0, 60, 350),
]
# Left, top, right, bottom of the parts that are looked at as photos of their own. Odd sides and a
# window that shows no face are among them.
PARTS = [
    (0, 0, 780, 560),
    (20, 20, 320, 320),
    (350, 30, 550, 230),
    (333, 251, 760, 520),
    (330, 10, 350, 550),
]


def photo():
    y, x = numpy.mgrid[0 : SIZE[1], 0 : SIZE[0]]
    ground = numpy.stack([90 + x * 60 // SIZE[0], 110 + y * 50 // SIZE[1], 130 + 0 * x], axis=2)
    canvas = Image.fromarray(ground.astype(numpy.uint8))
    for name, side, degrees, left, top in PLACED:
        face = Image.open(FACES / f"{name}.jpg").convert("RGBA").resize((side, side), Image.LANCZOS)
        face = face.rotate(degrees, Image.BICUBIC, expand=True)
        canvas.paste(face, (left, top), face)
    return canvas


def rounded(values):
    return [float(f"{float(value):.7g}") for value in numpy.asarray(values).ravel()]


def found(detector, image):
    boxes, scores, points = detector.detect(image, landmarks=True)
    if boxes is None:
        return []
    return [
        {"box": rounded(box), "score": float(f"{float(score):.7g}"), "landmarks": rounded(point)}
        for box, score, point in zip(boxes, scores, points)
    ]


def main():
    torch.set_num_threads(1)
    image = photo()
    image.save(HERE / "mtcnn.png", optimize=True)
    detector = MTCNN(keep_all=True)
    golden = {
        "torch": torch.__version__,
        "facenet_pytorch": importlib.metadata.version("facenet-pytorch"),
        "photos": [{"part": part, "faces": found(detector, image.crop(part))} for part in PARTS],
    }
    (HERE / "mtcnn.json").write_text(json.dumps(golden) + "\n")
    for photo_ in golden["photos"]:
        print(photo_["part"], len(photo_["faces"]))


if __name__ == "__main__":
    main()
