"""Makes inception.json: features and FID of pytorch-fid's Inception on seeded weights, of seeded
images that clean-fid resized.

pytorch-fid's network is built as it is there, and gets the seeded weights where it would download
its own. Samples are scaled as clean-fid's and TensorFlow's network have it, (x - 128) / 128. Run once,
by hand:

    pip install clean-fid==0.1.35 pytorch-fid==0.3.0 torchvision==0.28.0
    python inception.py
"""

import importlib.metadata
import json
import pathlib

import numpy
import pytorch_fid.inception
import torch
from cleanfid.fid import frechet_distance
from cleanfid.resize import build_resizer
from pytorch_fid.fid_score import calculate_frechet_distance

from image_metrics import image
from seeded import parameter, summary

SETS, COUNT = ["reference", "candidate"], 12


def weights():
    """Such that activations keep their size behind the positive part, and variances are positive."""
    network = pytorch_fid.inception._inception_v3(num_classes=1008, aux_logits=False, weights=None)
    for name, block in patched().items():
        setattr(network, name, block)
    tensors = {}
    for name, tensor in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            tensors[name] = tensor
            continue
        tensors[name] = parameter(name, tensor.shape)
        if name.endswith("conv.weight"):
            tensors[name] *= float(numpy.float32(2.0**0.5))
        if name.endswith("running_var"):
            tensors[name] += 1.0
    return tensors


def patched():
    module = pytorch_fid.inception
    return {
        "Mixed_5b": module.FIDInceptionA(192, pool_features=32),
        "Mixed_7c": module.FIDInceptionE_2(2048),
    }


def network():
    pytorch_fid.inception.load_state_dict_from_url = lambda *_, **__: weights()
    return pytorch_fid.inception.InceptionV3(resize_input=False, normalize_input=False).eval()


def images(name):
    """Of several sizes; those of the candidate are paler."""
    for index in range(COUNT):
        pixels = image(f"{name} {index}", 40 + index, 30 + 2 * index)
        yield pixels // 2 + 96 if name == "candidate" else pixels


def features(model, name):
    resize = build_resizer("clean")
    batch = numpy.stack([resize(pixels) for pixels in images(name)])
    batch = (torch.from_numpy(batch).permute(0, 3, 1, 2) - 128) / 128
    with torch.no_grad():
        return model(batch)[0][:, :, 0, 0]


def main():
    model = network()
    found = [features(model, name) for name in SETS]
    # Of every sixteenth feature: the root of the whole product takes scipy minutes.
    some = lambda f: f[:, ::16].double().numpy()
    of = lambda f: (some(f).mean(0), numpy.cov(some(f), rowvar=False))
    gaussians = of(found[0]) + of(found[1])
    names = ["clean-fid", "pytorch-fid", "torchvision", "torch", "scipy"]
    golden = {
        "versions": {name: importlib.metadata.version(name) for name in names},
        "count": COUNT,
        "tensors": {
            name: list(tensor.shape)
            for name, tensor in weights().items()
            if not name.endswith("num_batches_tracked")
        },
        "features": dict(zip(SETS, map(summary, found))),
        "fid_clean_fid": float(frechet_distance(*gaussians)),
        "fid_pytorch_fid": float(calculate_frechet_distance(*gaussians)),
    }
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
