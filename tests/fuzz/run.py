"""Builds the fuzz targets and runs them one after the other: run.py [TARGET …]

Each runs for a minute, or --seconds, from the seeds and from what earlier runs found. Everything lies in the
cache, AGESPAN_CACHE or ~/.cache/agespan, below `fuzz`: seeds, corpus, logs, crashes. Ends with 1 where
an input crashed a target.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib

HERE = pathlib.Path(__file__).parent.resolve()
CACHE = pathlib.Path(os.environ.get("AGESPAN_CACHE") or pathlib.Path.home() / ".cache/agespan") / "fuzz"
PLATFORM = "x86_64-unknown-linux-gnu" if os.uname().machine == "x86_64" else "aarch64-unknown-linux-gnu"
# libtorch alone takes some hundred megabytes.
MEGABYTES = 2048


def environment():
    """cargo-fuzz asks the pinned stable compiler for what only nightly ones give without asking."""
    root = HERE.parents[1]
    configured = tomllib.loads((root / ".cargo/config.toml").read_text())
    flags = f"-C link-arg=-Wl,-rpath,{configured['env']['LIBTORCH']}/lib"
    found = f"{CACHE / 'tool/bin'}:{os.environ['PATH']}"
    return os.environ | {"RUSTC_BOOTSTRAP": "1", "RUSTFLAGS": flags, "PATH": found}


def install():
    if shutil.which("cargo-fuzz", path=environment()["PATH"]):
        return
    print("installing cargo-fuzz", flush=True)
    target = os.environ | {"CARGO_TARGET_DIR": str(CACHE / "tool/target")}
    wanted = ["cargo", "install", "--quiet", "--locked", "--root", str(CACHE / "tool"), "cargo-fuzz"]
    subprocess.run(wanted, check=True, env=target)


def build(sanitizer):
    """The folder of the programs."""
    built = CACHE / f"target-{sanitizer}"
    command = ["cargo", "fuzz", "build", "--fuzz-dir", str(HERE), "--target-dir", str(built)]
    optimised = ["--release", "--sanitizer", sanitizer, "--target", PLATFORM]
    subprocess.run(command + optimised, check=True, env=environment(), cwd=HERE)
    return built / PLATFORM / "release"


def seed():
    seeds = CACHE / "seeds"
    shutil.rmtree(seeds, ignore_errors=True)
    subprocess.run([sys.executable, "-B", str(HERE / "seeds"), str(seeds)], check=True)
    return seeds


def run(program, seconds, seeds, temporary):
    """One line of the table, and whether an input crashed it."""
    target = program.name
    corpus, crashes, logs = (CACHE / folder / target for folder in ("corpus", "crashes", "logs"))
    corpus.mkdir(parents=True, exist_ok=True)
    crashes.mkdir(parents=True, exist_ok=True)
    logs.parent.mkdir(exist_ok=True)
    words = seeds / f"{target}.dict"
    options = {
        "seed": 1, "max_total_time": seconds, "rss_limit_mb": MEGABYTES, "timeout": 10,
        "artifact_prefix": f"{crashes}/", "print_final_stats": 1,
    } | ({"dict": words} if words.exists() else {})
    command = [program, corpus, seeds / target, *[f"-{key}={value}" for key, value in options.items()]]
    # What libtorch keeps until the end is no leak.
    safe = environment() | {"TMPDIR": temporary, "ASAN_OPTIONS": "detect_leaks=0"}
    before = set(crashes.iterdir())
    with open(f"{logs}.log", "wb") as log:
        ended = subprocess.run(command, stdout=log, stderr=log, env=safe, check=False).returncode
    text = pathlib.Path(f"{logs}.log").read_text(errors="replace")
    figure = lambda name: (re.findall(rf"stat::{name}:\s+(\d+)", text) or ["?"])[-1]
    new = len(set(crashes.iterdir()) - before)
    runs, found = figure("number_of_executed_units"), figure("new_units_added")
    print(f"{target:22}{runs:>12}{found:>12}{new or int(ended != 0):>9}", flush=True)
    return ended != 0


def targets():
    cargo = tomllib.loads((HERE / "Cargo.toml").read_text())
    return [binary["name"] for binary in cargo["bin"]]


def asked():
    parser = argparse.ArgumentParser()
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--seconds", type=int, default=60)
    # "address" finds faults of unsafe code, which the product has in libraries alone, at half the
    # speed and by a build of its own.
    parser.add_argument("--sanitizer", default="none")
    return parser.parse_args()


def main(options):
    install()
    programs, seeds = build(options.sanitizer), seed()
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    print(f"{'target':22}{'runs':>12}{'new inputs':>12}{'crashes':>9}")
    crashed = []
    with tempfile.TemporaryDirectory(dir=memory) as temporary:
        for target in options.targets or targets():
            if run(programs / target, options.seconds, seeds, temporary):
                crashed.append(target)
    for target in crashed:
        print(f"{target} crashed: {CACHE / 'logs' / target}.log, input in {CACHE / 'crashes' / target}")
    return 1 if crashed else 0


sys.exit(main(asked()))
