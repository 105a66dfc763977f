"""Convert the face detector's weights to safetensors, with the standard library only.

They are MTCNN's three networks (Zhang et al. 2016) as the PyPI package facenet-pytorch (MIT) ships
them, which took them from D. Sandberg's facenet (MIT). One file holds all three, a prefix each.
"""

import io
import zipfile

from packages import CACHE, fetch_wheel, say, sha256
from torch_pickle import read_tensors
from weights import install

WHEEL = ("facenet-pytorch", "2.6.0", "ecb82b27beb226d106f2219efe8f829b01b87a8595badd01545679bdb9f19cca")
NETWORKS = ("pnet", "rnet", "onet")
HOME = CACHE / "weights" / "mtcnn.safetensors"
EXPECTED = "45209c89a01a216d7ae9baf3fa8e506dfb0e8ff1269007ce26e28338a9148cd3"


def convert(wheel):
    tensors = {}
    for network in NETWORKS:
        file = io.BytesIO(wheel.read(f"facenet_pytorch/data/{network}.pt"))
        for name, tensor in read_tensors(file).items():
            tensors[f"{network}.{name}"] = tensor
    return tensors


def main():
    if HOME.exists() and sha256(HOME) == EXPECTED:
        say("the face detector is there")
        return
    with zipfile.ZipFile(fetch_wheel(*WHEEL)) as wheel:
        tensors = convert(wheel)
    install(tensors, HOME, EXPECTED)
    say(f"the face detector's weights are in {HOME}")


if __name__ == "__main__":
    main()
