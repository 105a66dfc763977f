"""Times answers against ONNX Runtime and a server in Python: serving.py AGESPAN BENCH_SERVING CARD PHOTO

The same network, with random weights for the peers, on the same number of threads. ONNX Runtime gets
ready tensors and nothing else to do; both servers get JPEG bytes by gRPC from the same client, which
shares the machine with them.
"""

import concurrent.futures
import io
import json
import os
import pathlib
import statistics
import subprocess
import sys
import threading
import time
import warnings

import grpc
import numpy
import onnxruntime
import torch
from PIL import Image

import machine
import server
from training import BACKBONES, AgeNet

SECONDS, CALLERS = 6, 64
METHOD = ("agespan.estimator.v1.EstimatorService", "EstimateAge")


def by_onnx(net, side, threads):
    """Images a second at the best batch, and which that is."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net, torch.zeros(2, 3, side, side), file, input_names=["x"],
            dynamic_axes={"x": {0: "n"}}, dynamo=False,
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(file.getvalue(), options, ["CPUExecutionProvider"])
    speeds = {}
    for batch in (1, 4, 8, 16, 32):
        images = numpy.random.rand(batch, 3, side, side).astype(numpy.float32)
        times, end = [], time.perf_counter() + 3
        while time.perf_counter() < end:
            started = time.perf_counter()
            session.run(None, {"x": images})
            times.append(time.perf_counter() - started)
        speeds[batch] = batch / statistics.median(times)
    best = max(speeds, key=speeds.get)
    return speeds[best], best


class InPython(grpc.GenericRpcHandler):
    """Takes the bytes of an EstimateAgeRequest whose only field is the photo; answers with nothing."""

    def __init__(self, net, side):
        self.net, self.side, self.lock = net, side, threading.Lock()

    def service(self, details):
        if details.method != "/" + "/".join(METHOD):
            return None
        return grpc.unary_unary_rpc_method_handler(self.answer)

    def answer(self, request, _):
        at, length, shift = 1, 0, 0
        while True:
            length |= (request[at] & 127) << shift
            at, shift = at + 1, shift + 7
            if request[at - 1] < 128:
                break
        photo = Image.open(io.BytesIO(request[at : at + length])).convert("RGB")
        pixels = numpy.asarray(photo.resize((self.side, self.side), Image.BILINEAR))
        images = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
        with self.lock, torch.inference_mode():
            ages, female = self.net(images)
            ages.softmax(-1), female.sigmoid()
        return b""


def loaded(bench, url, photo, way, callers):
    command = [bench, url, photo, way, str(callers), str(SECONDS)]
    return json.loads(subprocess.check_output(command))


def ours(agespan, bench, photo, precision, threads):
    found = {}
    options = ["--model-threads", str(threads), "--precision", precision]
    with server.Server(agespan, photo, *options) as running:
        found["start"] = running.start
        for way, callers in [("single", 1), ("single", CALLERS), ("batch", 4), ("stream", 2), ("single", 1500), ("nothing", CALLERS)]:
            found[way, callers] = loaded(bench, running.url, photo, way, callers)
        found["memory"] = running.memory()
    return found


def by_python(net, side, bench, photo):
    python = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
    python.add_generic_rpc_handlers([InPython(net, side)])
    port = python.add_insecure_port("127.0.0.1:0")
    python.start()
    found = loaded(bench, f"http://127.0.0.1:{port}", photo, "single", 8)
    python.stop(None)
    return found["photos"]


def main(agespan, bench, card, photo):
    threads = os.cpu_count()
    torch.set_num_threads(threads)
    spec = json.loads(pathlib.Path(card).read_text())["spec"]
    side, name = spec["input"]["crop"], spec["net"]["backbone"]
    (backbone,) = (backbone for backbone in BACKBONES if backbone.__name__ == name)
    net = AgeNet(backbone).eval()
    print(f"answers by {name} at {side} pixels, {pathlib.Path(photo).name}; {machine.described()}")
    bare, batch = by_onnx(net, side, threads)
    print(f"{'ONNX Runtime ' + onnxruntime.__version__ + ', no server':34} {bare:8.1f} images/s, batches of {batch}")
    python = by_python(net, side, bench, photo)
    print(f"{'PyTorch behind gRPC in Python':34} {python:8.1f} photos/s")
    for precision in ("float32", "bfloat16", "int8"):
        found = ours(agespan, bench, photo, precision, threads)
        for way, callers in [("single", CALLERS), ("batch", 4), ("stream", 2)]:
            speed = found[way, callers]["photos"]
            print(
                f"{precision + ', ' + way + f', {callers} callers':34} {speed:8.1f} photos/s  "
                f" {speed / bare:.2f}x ONNX Runtime, {speed / python:.1f}x Python"
            )
        pushed = found["single", 1500]
        print(
            f"{'':4}1500 callers: {pushed['photos']:.0f} photos/s, {pushed['refused'] / SECONDS:.0f} refused a second"
            f" within {pushed['refusal_p99']:.1f} ms (p99)"
        )
        alone, nothing = found["single", 1], found["nothing", CALLERS]
        print(f"{'':4}one caller: p50 {alone['p50']:.2f} ms, p99 {alone['p99']:.2f} ms")
        print(f"{'':4}nothing to do: {nothing['photos']:.0f} requests/s")
        print(f"{'':4}first answer {found['start']:.2f} s after the start; {found['memory']:.0f} MB")


if __name__ == "__main__":
    main(*sys.argv[1:])
