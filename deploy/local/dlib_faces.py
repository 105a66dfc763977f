"""Convert dlib's network of face recognition to safetensors, with the standard library only.

The network is `dlib_face_recognition_resnet_model_v1` (D. King; public domain, CC0), as the npm package
`@vladmandic/face-api` (MIT) ships it for TensorFlow.js: most tensors rounded to 256 steps of their own. Only
what is before the descriptor is taken, and only as a start for training: without npm this step is left out.

Each convolution has a scale and a shift behind it, what is left of a batch norm; they are multiplied into it.
"""

import array
import json
import struct
import sys

from npm import provide
from packages import CACHE

PACKAGE = ("@vladmandic/face-api", "1.7.15")
FILES = {
    "package/model/face_recognition_model-weights_manifest.json": "cbaffa501b0b9275a12b63357a6843e7e30c054e1c9151e1a5f879b26e32986b",
    "package/model/face_recognition_model.bin": "b413e420d6840b2775fba32008db6f3cddb07d485967fb42cfcf379c16a8c589",
}
HOME = CACHE / "weights" / "dlib-face-resnet.safetensors"
EXPECTED = "46fbca40ba1f474671d52ffa1c6976ae7a5c616e6d6b966737f28fda26e7432a"
BLOCKS = [
    *["conv32_1", "conv32_2", "conv32_3", "conv64_down", "conv64_1", "conv64_2", "conv64_3"],
    *["conv128_down", "conv128_1", "conv128_2", "conv256_down", "conv256_1", "conv256_2", "conv256_down_out"],
]


def read_tensors(manifest, data):
    """Shape and numbers of each tensor, by name."""
    tensors, offset = {}, 0
    for weight in manifest[0]["weights"]:
        count = 1
        for side in weight["shape"]:
            count *= side
        steps = weight.get("quantization")
        if steps is None:
            numbers = struct.unpack_from(f"<{count}f", data, offset)
            offset += 4 * count
        else:
            numbers = [byte * steps["scale"] + steps["min"] for byte in data[offset : offset + count]]
            offset += count
        tensors[weight["name"]] = (weight["shape"], numbers)
    if offset != len(data):
        sys.exit(f"the weights end at {offset}, the file at {len(data)}; it is not what it should be")
    return tensors


def convolution(source, name):
    """Kernel [h, w, in, out] as [out, in, h, w], and bias, with scale and shift multiplied in."""
    (height, width, inputs, outputs), kernel = source[f"{name}/conv/filters"]
    _, bias = source[f"{name}/conv/bias"]
    _, scale = source[f"{name}/scale/weights"]
    _, shift = source[f"{name}/scale/biases"]
    weight = array.array("f")
    for o in range(outputs):
        for i in range(inputs):
            for place in range(height * width):
                weight.append(kernel[(place * inputs + i) * outputs + o] * scale[o])
    bias = array.array("f", (b * s + t for b, s, t in zip(bias, scale, shift)))
    return ([outputs, inputs, height, width], weight.tobytes()), ([outputs], bias.tobytes())


def convert(manifest, data):
    source = read_tensors(json.loads(manifest), data)
    places = {"features.0": "conv32_down"}
    for number, block in enumerate(BLOCKS, 1):
        places[f"features.{number}.first"] = f"{block}/conv1"
        places[f"features.{number}.second"] = f"{block}/conv2"
    target = {}
    for place, name in places.items():
        target[f"{place}.weight"], target[f"{place}.bias"] = convolution(source, name)
    return target


if __name__ == "__main__":
    provide("face weights of dlib", PACKAGE, FILES, convert, HOME, EXPECTED)
