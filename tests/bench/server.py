"""A system of its own on loopback."""

import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

ESTIMATOR = ("--services", "age-estimator,conformal-calibrator")
TICKS = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Server:
    """`agespan up`, from its first answer to the end of a `with`."""

    def __init__(self, agespan, photo, *options, cores=None):
        self.folder = tempfile.TemporaryDirectory()
        self.address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{self.address}"
        command = [agespan, "up", "--listen", self.address, "--data-dir", self.folder.name, *options]
        started = time.perf_counter()
        self.log = pathlib.Path(self.folder.name, "log")
        with open(self.log, "w") as log:
            pin = (lambda: os.sched_setaffinity(0, cores)) if cores else None
            self.process = subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=pin)
        try:
            self.wait([agespan, "--server", self.url, "--json", "predict", photo], started)
        except BaseException:
            self.stop()
            raise
        self.start = time.perf_counter() - started

    def wait(self, ready, started):
        while subprocess.run(ready, capture_output=True).returncode:
            if self.process.poll() is not None or time.perf_counter() - started > 120:
                sys.exit(f"the server does not answer: {self.log.read_text()}")

    def memory(self):
        """Resident megabytes."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def seconds(self):
        """Processor time so far."""
        # Behind the name, which may have blanks in it, user and system time are the 12th and 13th.
        stat = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / TICKS

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
