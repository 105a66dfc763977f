"""Makes mobilenet_v1.json: what NumPy makes of a fixed input and HSE FaceRes' own file.

The network is written out again here, from the graph's description and in TensorFlow's layouts, so
that the conversion (channels turned, scales multiplied in, axes moved) is checked with it. Padding is
the same on all sides, as in ours. Run once, by hand:

    npm pack @vladmandic/human@3.3.6 && tar xzf vladmandic-human-3.3.6.tgz
    pip install numpy==2.4.6
    python mobilenet_v1.py package/models
"""

import json
import pathlib
import sys

import numpy

SIDE = 112
STRIDES = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1]
MEANS = [103.939, 116.779, 123.68]  # B, G, R


def read(folder):
    graph = json.loads((folder / "faceres.json").read_text())
    data, offset, tensors = (folder / "faceres.bin").read_bytes(), 0, {}
    for weight in graph["weightsManifest"][0]["weights"]:
        count = int(numpy.prod(weight["shape"], dtype=int))
        if weight["dtype"] == "int32":
            offset += 4 * count
            continue
        numbers = numpy.frombuffer(data, "<f2", count, offset).astype(numpy.float64)
        tensors[weight["name"]] = numbers.reshape(weight["shape"])
        offset += 2 * count
    return tensors


def windows(images, kernel, stride):
    """[n, h, w, c, kernel, kernel]: what each place of the output looks at."""
    margin = kernel // 2
    padded = numpy.pad(images, ((0, 0), (margin, margin), (margin, margin), (0, 0)))
    every = numpy.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), axis=(1, 2))
    return every[:, ::stride, ::stride]


def clip(hidden):
    return numpy.clip(hidden, 0, 6)


def features(tensors, images):
    hidden = windows(images, 3, 2)
    hidden = numpy.einsum("nyxchw,hwco->nyxo", hidden, tensors["conv1/convolution/merged_input"])
    hidden = clip(hidden + tensors["conv1_bn/batchnorm_1/sub"])
    for block, stride in enumerate(STRIDES, 1):
        depthwise = tensors[f"conv_dw_{block}/depthwise_kernel"][..., 0]
        hidden = numpy.einsum("nyxchw,hwc->nyxc", windows(hidden, 3, stride), depthwise)
        hidden = hidden * tensors[f"conv_dw_{block}_bn/batchnorm_1/mul"]
        hidden = clip(hidden + tensors[f"conv_dw_{block}_bn/batchnorm_1/sub"])
        hidden = hidden @ tensors[f"conv_pw_{block}/convolution/merged_input"][0, 0]
        hidden = clip(hidden + tensors[f"conv_pw_{block}_bn/batchnorm_1/sub"])
    return hidden.mean(axis=(1, 2))


def pattern():
    """Two images of whole numbers 0 to 255, channels R, G, B, which any language computes alike."""
    n, y, x, c = numpy.indices((2, SIDE, SIDE, 3))
    return (x * y // 16 + c * 31 + n * 101) % 256


def write(found, script):
    """The golden beside its script."""
    golden = {
        "made_by": f"numpy {numpy.__version__}",
        "side": SIDE,
        "features": [[float(f"{value:.7g}") for value in row] for row in found],
    }
    pathlib.Path(script).with_suffix(".json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    write(features(read(pathlib.Path(sys.argv[1])), pattern()[..., ::-1] - MEANS), __file__)
