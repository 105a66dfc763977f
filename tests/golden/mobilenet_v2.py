"""Makes mobilenet_v2.json: what torchvision's MobileNetV2 makes of a fixed input.

Run once, by hand, where torchvision can be imported; `make setup` fetches the weights:

    pip install torch==2.13.0 torchvision==0.28.0 safetensors
    python mobilenet_v2.py ~/.cache/agespan/weights/imagenet-mobilenet-v2.safetensors
"""

import hashlib
import json
import pathlib
import sys

import safetensors.torch
import torch
import torchvision

SIDE = 112


def pattern():
    """Two images of whole numbers 0 to 255, which any language computes alike."""
    n, c, y, x = torch.meshgrid(
        torch.arange(2), torch.arange(3), torch.arange(SIDE), torch.arange(SIDE), indexing="ij"
    )
    return ((n * 101 + c * 31 + y * 7 + x * x * 13) % 256).float() / 255.0 * 4.0 - 2.0


def features(model, images):
    """The pooled features, which torchvision gives to its classifier."""
    return model.features(images).mean(dim=(2, 3))


def rounded(tensor):
    return [[float(f"{value:.7g}") for value in row] for row in tensor.tolist()]


def main(path):
    torch.set_num_threads(1)
    model = torchvision.models.mobilenet_v2()
    loaded = model.load_state_dict(safetensors.torch.load_file(path), strict=False)
    assert not loaded.unexpected_keys, loaded.unexpected_keys
    assert all(key.endswith("num_batches_tracked") for key in loaded.missing_keys)
    with torch.no_grad():
        running = features(model.eval(), pattern())
        # Last: it moves the running statistics.
        batch = features(model.train(), pattern())
    golden = {
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "weights_sha256": hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest(),
        "side": SIDE,
        "features": rounded(running),
        "features_with_batch_statistics": rounded(batch),
    }
    here = pathlib.Path(__file__).parent
    (here / "mobilenet_v2.json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
