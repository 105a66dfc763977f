"""A Parquet file of two columns, by hand: the smallest that is one."""

import struct

# Thrift writes numbers as protobuf does.
from messages import varint

I32, I64, BINARY, LIST, STRUCT = 5, 6, 8, 9, 12
DOUBLE, PLAIN, RLE = 5, 0, 3


def value(kind, of):
    if kind in (I32, I64):
        return varint(of << 1 if of >= 0 else (-of << 1) - 1)
    if kind == BINARY:
        return varint(len(of)) + of
    if kind == LIST:
        inner, items = of
        return bytes([len(items) << 4 | inner]) + b"".join(value(inner, item) for item in items)
    return thrift(*of)


def thrift(*fields):
    """A struct in Thrift's compact form: number, kind, value."""
    out, last = b"", 0
    for number, kind, of in fields:
        out += bytes([(number - last) << 4 | kind]) + value(kind, of)
        last = number
    return out + b"\0"


def page(numbers):
    data = struct.pack(f"<{len(numbers)}d", *numbers)
    of_data = [(1, I32, len(numbers)), (2, I32, PLAIN), (3, I32, RLE), (4, I32, RLE)]
    header = [(1, I32, 0), (2, I32, len(data)), (3, I32, len(data)), (5, STRUCT, of_data)]
    return thrift(*header) + data


def table(columns):
    file, chunks, rows = b"PAR1", [], len(next(iter(columns.values())))
    schema = [[(4, BINARY, b"schema"), (5, I32, len(columns))]]
    for name, numbers in columns.items():
        bytes_, name = page(numbers), name.encode()
        meta = [
            (1, I32, DOUBLE), (2, LIST, (I32, [PLAIN])), (3, LIST, (BINARY, [name])), (4, I32, 0),
            (5, I64, rows), (6, I64, len(bytes_)), (7, I64, len(bytes_)), (9, I64, len(file)),
        ]
        chunks.append([(2, I64, len(file)), (3, STRUCT, meta)])
        schema.append([(1, I32, DOUBLE), (3, I32, 0), (4, BINARY, name)])
        file += bytes_
    group = [(1, LIST, (STRUCT, chunks)), (2, I64, len(file)), (3, I64, rows)]
    footer = thrift(
        (1, I32, 1), (2, LIST, (STRUCT, schema)), (3, I64, rows), (4, LIST, (STRUCT, [group]))
    )
    return file + footer + struct.pack("<I", len(footer)) + b"PAR1"


def files():
    rows = [float(age) for age in range(10, 30)]
    return [table({"prediction": rows, "truth": rows}), table({"prediction": [1.0]})]
