"""Makes face_resnet.json: what NumPy makes of a fixed input and the file of dlib's network as TensorFlow.js has it.

As in mobilenet_v1.py the network is written out again in TensorFlow's layouts, from the description of dlib's
example `dnn_face_recognition_ex.cpp`, scales and shifts one after the other. Padding is the same on all sides, as
in ours. Run once, by hand:

    npm pack @vladmandic/face-api@1.7.15 && tar xzf vladmandic-face-api-1.7.15.tgz
    pip install numpy==2.4.6
    python face_resnet.py package/model
"""

import json
import pathlib
import sys

import numpy
from mobilenet_v1 import pattern, windows, write

MEANS = [122.782, 117.001, 104.298]  # R, G, B
BLOCKS = [
    *["conv32_1", "conv32_2", "conv32_3", "conv64_down", "conv64_1", "conv64_2", "conv64_3"],
    *["conv128_down", "conv128_1", "conv128_2", "conv256_down", "conv256_1", "conv256_2", "conv256_down_out"],
]


def read(folder):
    manifest = json.loads((folder / "face_recognition_model-weights_manifest.json").read_text())
    data, offset, tensors = (folder / "face_recognition_model.bin").read_bytes(), 0, {}
    for weight in manifest[0]["weights"]:
        count, steps = int(numpy.prod(weight["shape"])), weight.get("quantization")
        numbers = numpy.frombuffer(data, "u1" if steps else "<f4", count, offset).astype(numpy.float64)
        offset += count * (1 if steps else 4)
        if steps:
            numbers = numbers * steps["scale"] + steps["min"]
        tensors[weight["name"]] = numbers.reshape(weight["shape"])
    return tensors


def convolved(tensors, name, hidden, stride):
    kernel = tensors[f"{name}/conv/filters"]
    hidden = numpy.einsum("nyxchw,hwco->nyxo", windows(hidden, len(kernel), stride), kernel, optimize=True)
    hidden = hidden + tensors[f"{name}/conv/bias"]
    return hidden * tensors[f"{name}/scale/weights"] + tensors[f"{name}/scale/biases"]


def halved(hidden):
    """Means of squares of two pixels; at an edge of odd length a square has one less."""
    padded = numpy.pad(hidden, ((0, 0), (0, hidden.shape[1] % 2), (0, hidden.shape[2] % 2), (0, 0)), constant_values=numpy.nan)
    count, height, width, channels = padded.shape
    squares = padded.reshape(count, height // 2, 2, width // 2, 2, channels)
    return numpy.nanmean(squares, axis=(2, 4))


def features(tensors, images):
    hidden = numpy.maximum(convolved(tensors, "conv32_down", images, 2), 0)
    # Nothing is below zero, so that zeros at the edge win nowhere.
    hidden = windows(hidden, 3, 2).max(axis=(4, 5))
    for block in BLOCKS:
        down = "down" in block
        within = numpy.maximum(convolved(tensors, f"{block}/conv1", hidden, 2 if down else 1), 0)
        within = convolved(tensors, f"{block}/conv2", within, 1)
        past = halved(hidden) if down else hidden
        missing = within.shape[3] - past.shape[3]
        hidden = numpy.maximum(within + numpy.pad(past, ((0, 0), (0, 0), (0, 0), (0, missing))), 0)
    return hidden.mean(axis=(1, 2))


if __name__ == "__main__":
    images = (pattern() - MEANS) / 256
    write(features(read(pathlib.Path(sys.argv[1])), images), __file__)
