"""Makes inception_torchscript.pt, a TorchScript program that takes what NVIDIA's Inception takes and is small
enough to be kept, and inception_torchscript.json: what clean-fid sees with it in seeded images, and its FID.

clean-fid runs the layers within the program on samples that it has scaled; Agespan calls the program. Run once,
by hand, beside the requirements of inception.py:

    python inception_torchscript.py
"""

import importlib.metadata
import json
import pathlib
import shutil
import tempfile

import numpy
import torch
from cleanfid.fid import frechet_distance
from cleanfid.inception_torchscript import InceptionV3W
from cleanfid.resize import build_resizer

from inception import COUNT, SETS, images
from seeded import parameter, summary


class Program(torch.nn.Module):
    """As the real one: `layers` gives features of scaled samples, `output` labels of features."""

    def __init__(self):
        super().__init__()
        convolution = torch.nn.Conv2d(3, 8, 3, stride=9)
        pool = torch.nn.AdaptiveAvgPool2d(16)
        self.layers = torch.nn.Sequential(convolution, torch.nn.ReLU(), pool, torch.nn.Flatten())
        for name, values in self.named_parameters():
            values.data = parameter(name, values.shape)

    def forward(self, img, return_features: bool = False, use_fp16: bool = False):
        features = self.layers((img - 128) / 128)
        return features if return_features else features[:, :1008]


def main():
    path = pathlib.Path(__file__).with_suffix(".pt")
    torch.jit.script(Program().eval()).save(str(path))
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(path, pathlib.Path(folder, "inception-2015-12-05.pt"))
        network = InceptionV3W(folder, download=False)
    resize = build_resizer("clean")

    def features(name):
        batch = numpy.stack([resize(pixels) for pixels in images(name)])
        with torch.no_grad():
            return network(torch.from_numpy(batch).permute(0, 3, 1, 2))

    found = [features(name) for name in SETS]
    # Of every sixteenth feature, as in inception.py.
    some = lambda f: f[:, ::16].double().numpy()
    of = lambda f: (some(f).mean(0), numpy.cov(some(f), rowvar=False))
    golden = {
        "versions": {name: importlib.metadata.version(name) for name in ["clean-fid", "torch", "scipy"]},
        "count": COUNT,
        "features": dict(zip(SETS, map(summary, found))),
        "fid": float(frechet_distance(*(of(found[0]) + of(found[1])))),
    }
    path.with_suffix(".json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
