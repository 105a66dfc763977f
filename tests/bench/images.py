"""Times comparisons of images against clean-fid, scikit-image and scipy: images.py BENCH SHAPES

The same network, sizes and numbers of threads, on noise. Features are of clean-fid's resizing and
pytorch-fid's network, which clean-fid has as TorchScript; its weights are random in both. The network gets
its pixels as clean-fid's reader of files makes them, a channel after the other; and once more as suits the
processor best, which clean-fid does not do. Pairs are compared on one thread, one after the other.
"""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy
import pytorch_fid.inception
import torch
import torchvision
from cleanfid.fid import frechet_distance
from cleanfid.resize import build_resizer
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

SIDE, BATCH, PAIRS, ROWS, FEATURES = 200, 32, 20, 4096, 2048


def best(times, work):
    found = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        found.append(time.perf_counter() - started)
    return min(found)


def network():
    """pytorch-fid's network, which would fetch its weights."""
    made = {}

    def build(*arguments, **named):
        made["network"] = torch_inception(*arguments, **named)
        return made["network"]

    module = pytorch_fid.inception
    torch_inception, module._inception_v3 = module._inception_v3, build
    module.load_state_dict_from_url = lambda *_, **__: made["network"].state_dict()
    return module.InceptionV3(resize_input=False, normalize_input=False).eval()


def noise(rng):
    return rng.integers(0, 256, (SIDE, SIDE, 3), dtype=numpy.uint8)


def main(bench, shapes):
    threads = os.cpu_count()
    torch.set_num_threads(threads)
    # Nothing else shall run: threads need not be polite while they wait. PyTorch's are not by default.
    alone = {**os.environ, "OMP_WAIT_POLICY": "ACTIVE"}
    ours = json.loads(subprocess.check_output([bench, str(threads), shapes], env=alone))
    rng = numpy.random.default_rng(7)
    images, model, resize = [noise(rng) for _ in range(BATCH)], network(), build_resizer("clean")
    to_tensor, workers = torchvision.transforms.ToTensor(), ThreadPoolExecutor(threads)

    def features(layout):
        batch = torch.stack(list(workers.map(lambda image: to_tensor(resize(image)), images)))
        with torch.no_grad():
            model((batch.to(memory_format=layout) - 128) / 128)

    def similarity():
        for _ in range(PAIRS):
            structural_similarity(
                images[0],
                images[1],
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
                channel_axis=-1,
                data_range=255,
            )

    def ratio():
        for _ in range(PAIRS):
            peak_signal_noise_ratio(images[0], images[1], data_range=255)

    def gaussian():
        rows = rng.random((ROWS, FEATURES), dtype=numpy.float32).astype(numpy.float64)
        return rows.mean(0), numpy.cov(rows, rowvar=False)

    gaussians = gaussian() + gaussian()
    print(f"comparing images of {SIDE} pixels a side, {threads} threads, PyTorch {torch.__version__}")
    theirs = BATCH / best(3, lambda: features(torch.contiguous_format))
    row("Inception features", ours["inception"], theirs, "clean-fid")
    theirs = BATCH / best(3, lambda: features(torch.channels_last))
    row("", ours["inception"], theirs, "its network, channels last")
    row("SSIM, pairs", ours["ssim"], PAIRS / best(3, similarity), "scikit-image")
    row("PSNR, pairs", ours["psnr"], PAIRS / best(3, ratio), "scikit-image")
    theirs = best(1, lambda: frechet_distance(*gaussians))
    seconds = ours["frechet_seconds"]
    print(f"{'Fréchet distance, 2048':28} {seconds:8.2f} s          scipy {theirs:.2f} ({theirs / seconds:.2f}x)")


def row(name, ours, theirs, peer):
    print(f"{name:28} {ours:8.1f} images/s   {peer} {theirs:.1f} ({ours / theirs:.2f}x)")


if __name__ == "__main__":
    main(*sys.argv[1:])
