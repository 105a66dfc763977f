"""The machine that figures belong to."""

import os
import pathlib
import platform


def cores():
    """The cores that this process may use."""
    return sorted(os.sched_getaffinity(0))


def model():
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()


def described():
    return f"{len(cores())} cores of {model()}"
