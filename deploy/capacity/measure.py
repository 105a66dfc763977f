"""Measures what the simulation goes by: measure.py AGESPAN [--write]

Starts a Redis and a generator of its own, draws with the small pipeline, counts what Redis is asked and what
the store keeps, and prints the section `measured` of measured.json as it would be; --write puts it there.
The estimator's figures are those of `make bench` and stay as they are. Run it on a machine with nothing else to
do: minutes.
"""

import argparse
import collections
import json
import os
import pathlib
import platform
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import redis_calls

FILE = pathlib.Path(__file__).parent / "measured.json"
IMAGES, STEPS, GUIDANCE, IDLE_SECONDS = 128, 25, 5, 30
MONITORED = re.compile(r'^([\d.]+) \[\d+ ([^\]]*)\] "(\w+)"(?: "([^"]*)")?')


def machine():
    model = platform.processor()
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":")[1].strip()
    return f"{os.cpu_count()} processors, {model}"


class Monitor(threading.Thread):
    """What Redis is asked: when, by which connection, and which kind of call."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.names, self.calls = redis_calls.names_by_hash(), []
        self.ask = redis_calls.Connection(path)
        self.ask("MONITOR")
        self.start()

    def run(self):
        while line := self.ask.lines.readline():
            found = MONITORED.match(line[1:].decode(errors="replace"))
            # What scripts ask for is part of the script.
            if found and found[2] != "lua":
                kind = found[3].upper()
                kind = self.names.get(found[4], kind) if kind == "EVALSHA" else kind
                self.calls.append((float(found[1]), found[2], kind))

    def between(self, begin, end):
        return [call for call in self.calls if begin <= call[0] < end]


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Generator:
    """One process that answers and works, as one pod's would."""

    def __init__(self, agespan, folder, redis):
        port = free_port()
        self.agespan, self.url, self.store = agespan, f"http://127.0.0.1:{port}", folder / "data/store"
        words = [agespan, "up", "--services", "diffusion-generator", "--listen", f"127.0.0.1:{port}"]
        words += ["--data-dir", folder / "data", "--redis-url", f"redis+unix://{redis}"]
        # The lease of a cluster: how often Redis is asked hangs on it.
        words += ["--lease-seconds", "30"]
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def draw(self, folder, count):
        words = [self.agespan, "generate", "--server", self.url, "--json", "-n", count, "--out", folder]
        words += ["--steps", STEPS, "--guidance", GUIDANCE, "--age", 34, "--gender", "female", "--race", "black"]
        printed = subprocess.run(list(map(str, words)), check=True, capture_output=True, text=True).stdout
        lines = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
        return [line for line in lines if "draws" in line]

    def await_ready(self, folder):
        end = time.time() + 120
        while time.time() < end:
            try:
                return self.draw(folder, 1)
            except subprocess.CalledProcessError as error:
                said = error.stderr
                time.sleep(0.5)
        raise RuntimeError(f"no image within two minutes: {said}")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def steady(written):
    """Seconds for each image, by the times at which the first and the last were in the store."""
    return (written[-1] - written[0]) / (len(written) - 1)


def hand_overs(calls):
    """From the end of a shard to the claim of the next, where one was waiting. One worker draws."""
    found, ended = [], None
    for when, _, kind in calls:
        if kind == "succeed":
            ended = when
        elif kind == "claim" and ended:
            found.append(when - ended)
            ended = None
    return found


def a_job(agespan, folder):
    """Draws, and gives figures by name."""
    with redis_calls.server(folder / "redis") as redis:
        monitor, generator = Monitor(redis), Generator(agespan, folder, redis)
        try:
            asked = time.time()
            generator.await_ready(folder / "first")
            begin = time.time()
            drawn = generator.draw(folder / "out", IMAGES)
            end = time.time()
            # The job's last words, and then nothing to do.
            time.sleep(2)
            idle = time.time()
            time.sleep(IDLE_SECONDS)
            resting = monitor.between(idle, idle + IDLE_SECONDS)
        finally:
            generator.stop()
    pictures = [file.stat() for file in (generator.store / "generated/images").glob("*.png")]
    written = sorted(picture.st_mtime for picture in pictures if picture.st_mtime >= begin)
    records = [file.stat().st_size for file in (generator.store / "generated/jobs").glob("*/*.json")]
    pipeline = pathlib.Path(__file__).parent / "../../services/diffusion-generator/shipped"
    draws = sum(image["draws"] for image in drawn) / IMAGES
    calls = monitor.between(begin, end)
    said = f"{IMAGES} images of 64 pixels, {STEPS} steps, guidance {GUIDANCE}, in one process"
    return {
        "cpu_draw_seconds": (round(steady(written) / draws, 4), said + ", between two images, by draw"),
        "cpu_draws": (round(draws, 3), said + ": draws of an image until it shows one face"),
        "cpu_image_bytes": (round(statistics.mean(p.st_size for p in pictures)), said),
        "record_bytes": (round(statistics.mean(records)), said + ": what is known of an image"),
        "cpu_pipeline_bytes": (
            sum(f.stat().st_size for f in pipeline.rglob("*.safetensors")), "weights of the small pipeline"
        ),
        "cpu_start_to_image_seconds": (
            round(written_first(generator, asked), 2), "from the start of the process to its first image"
        ),
        "hand_over_seconds": (
            round(statistics.median(hand_overs(calls)), 4),
            said + ": from the end of a shard to the claim of the next, median",
        ),
        "job_images": (IMAGES, "of that job"),
        "job_seconds": (round(end - begin, 2), said + ": the whole command"),
        "job_calls": (dict(sorted(kinds(calls).items())), said + ": what Redis was asked meanwhile"),
        "idle_calls_per_second": (
            {kind: round(count / IDLE_SECONDS, 2) for kind, count in sorted(kinds(resting).items())},
            f"the same process without a job, {IDLE_SECONDS} s",
        ),
    }


def written_first(generator, asked):
    files = (generator.store / "generated/images").glob("*.png")
    return min(file.stat().st_mtime for file in files) - asked


def kinds(calls):
    return collections.Counter(kind for _, _, kind in calls)


def measured(agespan):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        figures = a_job(agespan, folder)
        print("a job is drawn; now Redis alone", file=sys.stderr)
        costs = redis_calls.microseconds(folder / "costs")
        renewals = redis_calls.renewals_per_second(folder / "renewals")
        sync = redis_calls.sync_seconds(folder / "sync")
    figures["redis_microseconds"] = (
        costs, "processor time of Redis's thread by kind of call, one client, without the disk, least of five runs"
    )
    figures["sync_seconds"] = (sync, "what an answer waits for this machine's disk, appendfsync always")
    figures["renewals_per_second"] = (renewals, "redis-benchmark with 50 clients that renew a lease, each answer on disk")
    return {
        name: {"value": value, "what": what, "from": "measure.py", "machine": machine()}
        for name, (value, what) in figures.items()
    }


def main():
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("agespan", help="the program")
    asked.add_argument("--write", action="store_true", help="put it into measured.json")
    asked = asked.parse_args()
    given = json.loads(FILE.read_text())
    given["measured"].update(measured(asked.agespan))
    text = json.dumps(given, indent=2, ensure_ascii=False) + "\n"
    if asked.write:
        FILE.write_text(text)
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
