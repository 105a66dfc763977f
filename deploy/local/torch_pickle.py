"""Read the tensors of a torch pickle of the kind written before 2020, with the standard library only.

A pickle can run code, so the reader below knows four names and refuses every other; nothing but the
set-up ever reads a pickle.

Layout of such a file: four pickles (magic number, protocol, system facts, the dictionary, whose
tensors name their storages), a pickled list of the storages' keys, then each storage as an
eight-byte count and its numbers.
"""

import array
import pickle
import struct
from collections import OrderedDict, namedtuple

Storage = namedtuple("Storage", "key kind")
View = namedtuple("View", "storage offset shape stride")

KINDS = {"FloatStorage": 4, "LongStorage": 8}


def rebuild(storage, offset, shape, stride, *_):
    return View(storage, offset, tuple(shape), tuple(stride))


def gather(numbers, view):
    """The numbers of a view in the order of its axes; some tensors were saved transposed."""
    places = [view.offset]
    for side, step in zip(view.shape, view.stride):
        places = [place + index * step for place in places for index in range(side)]
    return array.array("I", (numbers[place] for place in places)).tobytes()


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
        # As whole numbers, so that no bit of a float is touched.
        numbers = memoryview(storages[view.storage.key]).cast("I")
        tensors[name] = (view.shape, gather(numbers, view))
    return tensors
