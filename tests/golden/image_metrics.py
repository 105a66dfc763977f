"""Makes image_metrics.json: MSE, PSNR and SSIM of scikit-image, resizing and the Fréchet distance of
clean-fid and pytorch-fid, KID, precision and recall of torch-fidelity, on seeded numbers.

Run once, by hand:

    pip install clean-fid==0.1.35 pytorch-fid==0.3.0 torch-fidelity==0.4.0 scikit-image==0.26.0
    python image_metrics.py
"""

import contextlib
import importlib.metadata
import io
import json
import pathlib

import numpy
from cleanfid.fid import frechet_distance
from cleanfid.resize import make_resizer
from pytorch_fid.fid_score import calculate_frechet_distance
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric

from seeded import seeded, unit

PLACES = 120


def image(name, width, height):
    """Whole numbers 0 to 255."""
    return ((seeded(name, [height, width, 3]).numpy() + 0.5) * 256).astype(numpy.uint8)


def pair(name, width, height, share):
    """Noise, and `share` parts of it in 16 with other noise."""
    left, other = image(f"{name} left", width, height), image(f"{name} other", width, height)
    mixed = (left.astype(int) * share + other.astype(int) * (16 - share)) // 16
    right = mixed.astype(numpy.uint8)
    similarity = structural_similarity(
        left,
        right,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        channel_axis=-1,
        data_range=255,
    )
    scaled = left / 255, right / 255
    return {
        "name": name,
        "width": width,
        "height": height,
        "share": share,
        "mse": mean_squared_error(*scaled),
        "psnr": peak_signal_noise_ratio(*scaled, data_range=1),
        "ssim": float(similarity),
    }


def resized(name, width, height, side):
    samples = make_resizer("PIL", False, "bicubic", (side, side))(image(name, width, height))
    flat = samples.reshape(-1)
    at = [place * flat.size // PLACES for place in range(PLACES)]
    return {
        "name": name,
        "width": width,
        "height": height,
        "side": side,
        "mean": float(flat.mean(dtype=numpy.float64)),
        "values": [float(flat[place]) for place in at],
    }


def features(name, rows, columns):
    """Rows whose numbers have something to do with each other."""
    mixing = seeded("mixing", [columns, columns])
    return (unit(name, [rows, columns]).double() @ mixing.double()).float()


def distances(rows, columns):
    """Fréchet distance, KID, precision and recall."""
    left = features(f"left {columns}", rows, columns)
    right = features(f"right {columns}", rows, columns) * 1.25 + 0.125
    of = lambda f: (f.double().numpy().mean(0), numpy.cov(f.double().numpy(), rowvar=False))
    gaussians = of(left) + of(right)
    with contextlib.redirect_stdout(io.StringIO()):
        clean = frechet_distance(*gaussians)
        pytorch = calculate_frechet_distance(*gaussians)
        kid = kid_features_to_metric(
            left.double(), right.double(), kid_subsets=1, kid_subset_size=rows, verbose=False
        )
        prc = prc_features_to_metric(right.double(), left.double()[: rows - 9], verbose=False)
    return {
        "rows": rows,
        "columns": columns,
        "frechet_clean_fid": float(clean),
        "frechet_pytorch_fid": float(pytorch),
        "kid": kid["kernel_inception_distance_mean"],
        "precision": prc["precision"],
        "recall": prc["recall"],
    }


def main():
    names = ["clean-fid", "pytorch-fid", "torch-fidelity", "scikit-image", "pillow", "scipy"]
    golden = {
        "versions": {name: importlib.metadata.version(name) for name in names},
        "pairs": [pair("even", 48, 64, 12), pair("small", 11, 12, 3), pair("near", 70, 31, 15)],
        "resized": [
            resized("down", 50, 83, 31),
            resized("up", 40, 21, 75),
            resized("same", 24, 24, 24),
        ],
        "distances": [distances(90, 16), distances(200, 64), distances(30, 48)],
    }
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
