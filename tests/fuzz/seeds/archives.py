"""Archives, and the files of weights: headers that say where bytes are."""

import gzip
import io
import json
import struct
import tarfile
import zipfile

NAMES = ["20_0_0_1.jpg", "folder/30_1_0_2.jpg", "../out.jpg", "/root.jpg", "ä/" + "n" * 120]
TIME = (1980, 1, 1, 0, 0, 0)


class Forwards(io.BytesIO):
    """As a pipe: sizes then stand behind the bytes."""

    def seekable(self):
        return False

    def seek(self, *_):
        raise io.UnsupportedOperation


def zipped(names, method, file=None, attributes=0):
    file = file or io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            entry = zipfile.ZipInfo(name, TIME)
            entry.compress_type, entry.external_attr = method, attributes
            archive.writestr(entry, b"" if name.endswith("/") else b"seven " * 9)
        archive.comment = b"a comment"
    return file.getvalue()


def zips():
    stored, deflated = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
    wide = io.BytesIO()
    with zipfile.ZipFile(wide, "w") as archive:
        with archive.open(zipfile.ZipInfo("wide.jpg", TIME), "w", force_zip64=True) as entry:
            entry.write(b"seven")
    return [
        zipped(["folder/", *NAMES[:2]], stored), zipped(NAMES[:2], deflated),
        zipped(NAMES[2:3], stored), zipped(NAMES[3:], deflated), zipped([], stored),
        zipped(NAMES[:1], deflated, Forwards()), zipped(NAMES[:1], stored, None, 0o120777 << 16),
        wide.getvalue(),
    ]


def tarred(names, layout, kind=tarfile.REGTYPE):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=layout) as archive:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, "target"
            entry.size = 60 if kind in (tarfile.REGTYPE, tarfile.CONTTYPE) else 0
            entry.pax_headers = {"comment": "ü", "mtime": "1.5"}
            archive.addfile(entry, io.BytesIO(b"seven " * 10))
    # What fills up the last record would only be mutated in vain.
    return file.getvalue().rstrip(b"\0") + bytes(1024)


def sparse():
    plain = bytearray(tarred(["sparse.jpg"], tarfile.GNU_FORMAT)[:1024] + bytes(1024))
    plain[156:157], plain[386:410] = b"S", b"%011o\0%011o\0" % (0, 60)
    plain[483:495] = b"%011o\0" % 4096
    plain[148:156] = b" " * 8
    plain[148:156] = b"%06o\0 " % sum(plain[:512])
    return bytes(plain)


def tars():
    gnu, pax, old = tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT
    kinds = [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE, tarfile.CONTTYPE]
    plain = [
        tarred(NAMES[:2], old), tarred(NAMES, gnu), tarred(NAMES, pax), tarred([], old), sparse(),
        *[tarred(NAMES[:1], gnu, kind) for kind in kinds],
    ]
    packed = [gzip.compress(file, mtime=0) for file in (plain[0], plain[2])]
    return plain + packed + [packed[0] + packed[1]]


def safetensors(tensors, metadata=None):
    """Tensors by name: type, bytes of a number, shape."""
    header, end = ({"__metadata__": metadata} if metadata else {}), 0
    for name, (dtype, width, shape) in tensors.items():
        begin, count = end, 1
        for side in shape:
            count *= side
        end += count * width
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(range(256)) * (end // 256) + bytes(end % 256)


def checkpoint(position, file):
    text = json.dumps(position).encode()
    return struct.pack("<Q", len(text)) + text + file


def weights():
    sound = safetensors({
        "net.a.weight": ("F32", 4, [2, 3]), "net.b": ("F16", 2, [4]),
        "optimizer.c": ("I64", 8, []), "d": ("BF16", 2, [0, 5]),
    }, {"format": "pt"})
    lies = [
        b'{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,16]}}',
        b'{"a":{"dtype":"F32","shape":[0,18446744073709551615],"data_offsets":[0,0]}}',
        b'{"a":{"dtype":"U8","shape":[16],"data_offsets":[0,16]}}', b"[[[[{}]]]]",
    ]
    attention = "decoder.mid_block.attentions.0.query.weight"
    return [
        sound, checkpoint({"step": 3}, sound), safetensors({attention: ("F32", 4, [2, 2])}),
        safetensors({"odd": ("U8", 1, [1])}), safetensors({}),
        *[struct.pack("<Q", len(text)) + text + bytes(16) for text in lies],
    ]
