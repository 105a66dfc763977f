"""What telemetry costs an estimator: telemetry.py AGESPAN BENCH_SERVING PHOTO

The same load on servers without telemetry, with the page for Prometheus, with every trace and metric sent to
a collector, and with a collector that is not there. The collector takes all and does nothing; it and the
client share the cores, so that beside photos a second stands what the server itself took for one.
"""

import concurrent.futures
import json
import multiprocessing
import os
import statistics
import subprocess
import sys

import grpc

import machine
import server

CALLERS, SECONDS, ROUNDS = 64, 6, 5


class Anything(grpc.GenericRpcHandler):
    """Every answer of OTLP is an empty message."""

    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(lambda request, context: b"")


def collect(port):
    collector = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
    collector.add_generic_rpc_handlers([Anything()])
    collector.add_insecure_port(f"127.0.0.1:{port}")
    collector.start()
    collector.wait_for_termination()


def load(bench, running, photo):
    """Photos a second, and the server's milliseconds of processor for each."""
    before = running.seconds()
    command = [bench, running.url, photo, "single", str(CALLERS), str(SECONDS)]
    seen = json.loads(subprocess.check_output(command))
    spent = running.seconds() - before
    return seen["photos"], 1000 * spent / (seen["photos"] * SECONDS)


def main(agespan, bench, photo):
    port = server.free_port()
    collector = multiprocessing.Process(target=collect, args=[port], daemon=True)
    collector.start()
    options = [*server.ESTIMATOR, "--model-threads", str(os.cpu_count())]
    told = lambda endpoint: ["--otlp-endpoint", endpoint, "--metrics-seconds", "1"]
    kinds = {
        "none": [],
        "page for Prometheus": ["--metrics-listen", f"127.0.0.1:{server.free_port()}"],
        "traces and metrics to a collector": told(f"http://127.0.0.1:{port}"),
        "a collector that is not there": told(f"http://127.0.0.1:{server.free_port()}"),
    }
    print(f"{ROUNDS} rounds of {SECONDS} s, {CALLERS} callers; {machine.described()}", flush=True)
    running = {name: server.Server(agespan, photo, *options, *more) for name, more in kinds.items()}
    found = {name: [] for name in kinds}
    try:
        for _ in range(ROUNDS):
            for name, one in running.items():
                found[name].append(load(bench, one, photo))
    finally:
        for one in running.values():
            one.stop()
        collector.terminate()
    photos, spent = ([statistics.median(row[at] for row in found["none"]) for at in (0, 1)])
    for name, rows in found.items():
        own = [statistics.median(row[at] for row in rows) for at in (0, 1)]
        print(
            f"{name:36} {own[0]:7.1f} photos/s ({own[0] / photos - 1:+.1%})"
            f"   {own[1]:6.3f} ms of processor a photo ({own[1] / spent - 1:+.1%})"
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
