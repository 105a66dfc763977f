"""Requests as protobuf writes them."""

import struct


def varint(value):
    value &= (1 << 64) - 1
    bytes_ = bytearray()
    while value > 127:
        bytes_.append(value & 127 | 128)
        value >>= 7
    return bytes(bytes_) + bytes([value])


def field(number, value):
    """A number as a varint, a float as a double, everything else by its length."""
    if isinstance(value, float):
        return varint(number << 3 | 1) + struct.pack("<d", value)
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def message(*fields):
    return b"".join(field(number, value) for number, value in fields)


def imports():
    named = [(1, "faces"), (2, "/data/faces.zip")]
    columns = message(*zip((1, 2, 5, 8, 9, 10, 11), ("file", "age", "sex", "l", "t", "r", "b")))
    fractions = message((1, 0.7), (2, 0.1), (3, 0.1), (4, 0.1))
    return [
        message(*named), message(*named, (3, 2), (4, -1), (5, "8c0f")),
        message(*named, (3, 8), (6, "labels.csv"), (7, columns), (8, fractions)),
        message((1, "Faces!"), (2, "a\0b"), (8, message((1, float("nan"))))),
    ]


def generations():
    attributes = message((1, 34), (2, 1), (3, "black"))
    grid = message((1, varint(5) + varint(90)), (2, varint(1)), (3, "white"), (3, "others"))
    return [
        message((2, "solo portrait"), (4, "hat"), (5, 3), (7, 20), (8, 7.5)),
        message((3, attributes), (6, -1), (10, 2), (11, 512), (12, 64), (13, 0.5)),
        message((18, grid), (16, 1), (17, 10)),
        message((2, "a"), (5, 1), (14, bytes(24)), (15, 1), (16, 2), (17, 1)),
    ]


def prediction(mean, sigma, *more):
    return message((1, mean), (2, sigma), *more)


def shifts():
    unlabelled = [prediction(20.0 + 9 * i, 2.0 + i) for i in range(5)]
    labelled = [message((1, 20.0 + i), (2, 3.0), (3, 22.0), (5, 1), (6, "a")) for i in range(4)]
    whole = struct.pack("<4f", 0.25, 0.25, 0.25, 0.25)
    spread = [message((3, whole)), message((3, whole), (4, 2))]
    rows = [(3, row) for row in labelled] + [(4, row) for row in unlabelled[:3]]
    rows += [(5, row) for row in unlabelled[2:]] + [(6, row) for row in unlabelled]
    by_spread = [(3, message((4, whole), (3, 1.0))), *[(n, row) for n in (4, 5, 6) for row in spread]]
    return [message((1, 1), (2, 0.9), *rows), message((1, 3), *rows), message((1, 5), *by_spread)]


def inferences():
    def image(shape, *more):
        return message((1, "image"), (2, "BYTES"), (3, b"".join(map(varint, shape))), *more)

    contents = (5, message((8, b"one"), (8, b"two")))
    raw = b"\3\0\0\0one\3\0\0\0two"
    coverage = message((1, "coverage"), (2, message((4, 0.9))))
    return [
        message((1, "age"), (5, image([2], contents)), (4, coverage)),
        message((1, "age"), (5, image([2])), (7, raw), (6, message((1, "lower")))),
        message((1, "age"), (5, image([1 << 40, 1 << 40])), (7, raw)),
        message((5, image([-1, -2], contents))),
    ]


def audited():
    fit = message((1, message((1, 1), (2, 5), (4, "datasets/faces"), (5, "models/a"))))
    group = bytes([3 << 3 | 3]) + message((1, 7), (2, "x")) + bytes([3 << 3 | 4])
    fixed = varint(9 << 3 | 5) + bytes(4) + varint(10 << 3 | 1) + bytes(8)
    return [*imports(), fit, fit + fit, group + imports()[0], fixed + imports()[0]]
