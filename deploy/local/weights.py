"""Write tensors as a safetensors file whose SHA-256 is known. Standard library only."""

import json
import struct
import sys

from packages import sha256


def write_safetensors(tensors, path):
    header, end = {}, 0
    for name in sorted(tensors):
        shape, data = tensors[name]
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [end, end + len(data)]}
        end += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in sorted(tensors):
            file.write(tensors[name][1])


def install(tensors, home, expected):
    """Puts the file where it belongs, once it is what it should be."""
    home.parent.mkdir(parents=True, exist_ok=True)
    fresh = home.with_suffix(".part")
    write_safetensors(tensors, fresh)
    found = sha256(fresh)
    if found != expected:
        sys.exit(f"the converted weights have the SHA-256 {found}, expected {expected}")
    fresh.rename(home)
