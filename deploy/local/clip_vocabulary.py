"""Write CLIP's vocabulary as a tokenizer folder, with the standard library only.

The byte pairs are OpenAI's `bpe_simple_vocab_16e6.txt.gz` (MIT), as the PyPI package `open-clip-torch`
(MIT) ships it. `vocab.json` and `merges.txt` follow from it as transformers writes them, and are what a
Stable Diffusion pipeline has in its `tokenizer` folder.
"""

import gzip
import hashlib
import json
import sys
import zipfile

from packages import CACHE, fetch_wheel, say, sha256

WHEEL = ("open-clip-torch", "3.3.0", "c549ad5ed6bfc119cc11105033c0a2b9d7a2a4afeb40a58a09aab3da1a0043ce")
MEMBER = "open_clip/bpe_simple_vocab_16e6.txt.gz"
HOME = CACHE / "weights" / "clip-tokenizer"
EXPECTED = {
    "vocab.json": "5047b556ce86ccaf6aa22b3ffccfc52d391ea4accdab9c2f2407da5b742d4363",
    "merges.txt": "9fd691f7c8039210e0fced15865466c65820d09b63988b0174bfe25de299051a",
}
# All but the 256 bytes, each twice, and the two special tokens, are merges.
VOCABULARY = 49408
SPECIAL = ["<|startoftext|>", "<|endoftext|>"]


def byte_letters():
    """A visible letter for each byte: itself where it is visible, else one beyond Latin-1."""
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1)]
    visible += range(ord("®"), ord("ÿ") + 1)
    others = [byte for byte in range(256) if byte not in visible]
    letters = [chr(byte) for byte in visible]
    return letters + [chr(256 + place) for place in range(len(others))]


def files(pairs):
    merges = pairs[1 : 1 + VOCABULARY - 2 * 256 - len(SPECIAL)]
    letters = byte_letters()
    tokens = letters + [letter + "</w>" for letter in letters]
    tokens += ["".join(merge.split()) for merge in merges] + SPECIAL
    if len(set(tokens)) != VOCABULARY:
        sys.exit(f"{MEMBER} gives {len(set(tokens))} tokens; it is not what it should be")
    numbered = {token: number for number, token in enumerate(tokens)}
    vocabulary = json.dumps(numbered, ensure_ascii=False, separators=(",", ":"))
    return {
        "vocab.json": vocabulary,
        "merges.txt": "\n".join(["#version: 0.2", *merges]) + "\n",
    }


def main():
    if all((HOME / name).exists() and sha256(HOME / name) == EXPECTED[name] for name in EXPECTED):
        say("CLIP's vocabulary is there")
        return
    with zipfile.ZipFile(fetch_wheel(*WHEEL)) as wheel:
        pairs = gzip.decompress(wheel.read(MEMBER)).decode().split("\n")
    HOME.mkdir(parents=True, exist_ok=True)
    for name, text in files(pairs).items():
        found = hashlib.sha256(text.encode()).hexdigest()
        if found != EXPECTED[name]:
            sys.exit(f"{name} has the SHA-256 {found}, expected {EXPECTED[name]}")
        (HOME / name).write_bytes(text.encode())
    say(f"CLIP's vocabulary is in {HOME}")


if __name__ == "__main__":
    main()
