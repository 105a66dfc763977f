"""Times what a request costs besides decoding and forward pass: overhead.py AGESPAN BENCH_OVERHEAD PHOTO

One caller, over gRPC on loopback, on the server's cores. From each request's time is taken what its own
decoding (`agespan.estimator.decode_time`) and its own forward pass (`.forward_time`) took, by how much
the server's sums grew; percentiles are of these differences.
"""

import json
import os
import subprocess
import sys

import machine
import server

REQUESTS = 3000
ROWS = [
    ("whole", "whole request, as the caller sees it"),
    ("call", "whole request, as the server does"),
    ("decode", "decode, resize, crop"),
    ("forward", "forward pass"),
    ("queue", "waiting in the line"),
    ("beside", "whole request less decode and forward"),
    ("beside_in_server", "the same within the server"),
    ("nothing", "a request with nothing to do"),
]


def main(agespan, bench, photo):
    metrics = f"127.0.0.1:{server.free_port()}"
    options = [*server.ESTIMATOR, "--model-threads", str(os.cpu_count()), "--metrics-listen", metrics]
    with server.Server(agespan, photo, *options) as running:
        command = [bench, running.url, metrics, photo, str(REQUESTS)]
        found = json.loads(subprocess.check_output(command))
    print(f"{REQUESTS} requests of one caller, one after the other; {machine.described()}")
    for key, name in ROWS:
        print(f"{name:40} p50 {found[key]['p50']:7.3f} ms   p99 {found[key]['p99']:7.3f} ms")


if __name__ == "__main__":
    main(*sys.argv[1:])
