"""Pushes a server for minutes and watches its memory: soak.py AGESPAN BENCH_SERVING PHOTO [MINUTES]

1,500 callers, who wait for a second when they are refused, are more than it can answer. A client lasts
for one minute, the server for all; the client shares its cores. Memory is what is resident, every few
seconds; its slope leaves out the first minute.
"""

import json
import os
import subprocess
import sys
import time

import numpy

import machine
import server

CALLERS, EVERY = 1500, 3


def minute(bench, running, photo):
    """What the client saw, and (time, megabytes) of the server meanwhile."""
    command = [bench, running.url, photo, "single", str(CALLERS), "59"]
    client, samples = subprocess.Popen(command, stdout=subprocess.PIPE), []
    while client.poll() is None:
        samples.append((time.perf_counter(), running.memory()))
        time.sleep(EVERY)
    if client.returncode:
        sys.exit("the client failed")
    return json.loads(client.stdout.read()), samples


def main(agespan, bench, photo, minutes="10"):
    options = [*server.ESTIMATOR, "--model-threads", str(os.cpu_count())]
    print(f"{CALLERS} callers for {minutes} minutes; {machine.described()}", flush=True)
    samples = []
    with server.Server(agespan, photo, *options) as running:
        print(f"{'before':>8} {running.memory():8.1f} MB")
        for number in range(int(minutes)):
            seen, more = minute(bench, running, photo)
            samples.append(more)
            memory = [megabytes for _, megabytes in more]
            print(
                f"{number + 1:8} {min(memory):8.1f} to {max(memory):.1f} MB   {seen['photos']:.0f} photos/s,"
                f" {seen['refused'] / 59:.0f} refused a second within {seen['refusal_p99']:.1f} ms (p99)",
                flush=True,
            )
    times, memory = numpy.array(sum(samples[1:] or samples, [])).T
    slope = numpy.polyfit(times / 60, memory, 1)[0]
    print(f"memory {memory.min():.1f} to {memory.max():.1f} MB, slope {slope:+.2f} MB a minute")


if __name__ == "__main__":
    main(*sys.argv[1:])
