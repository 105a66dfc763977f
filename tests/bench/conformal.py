"""Times conformal regression against its peers: conformal.py AGESPAN BENCH_CONFORMAL

A million rows in twelve groups, fit and predict at 90 %, in this one run, on this machine. Each
figure is the shortest of a few rounds; programs are timed as whole processes.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import time
import warnings

import numpy
import pandas
from crepes import ConformalRegressor
from mapie.regression import SplitConformalRegressor

import machine

N, LEVEL, ROUNDS = 1_000_000, 0.9, 3


def best(work, rounds=ROUNDS):
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - started)
    return min(times), result


def data():
    rng = numpy.random.default_rng(7)
    prediction = rng.uniform(0, 116, N)
    truth = numpy.clip(prediction + rng.normal(0, 1 + prediction / 20), 0, 116)
    return prediction, truth


def by_crepes(prediction, truth, bins):
    regressor = ConformalRegressor().fit(truth - prediction, bins=bins)
    return regressor.predict_int(prediction, bins=bins, confidence=LEVEL, y_min=0, y_max=116)


class Identity:
    fitted_ = True

    def fit(self, X, y):
        return self

    def predict(self, X):
        return X[:, 0]


def by_mapie(prediction, truth, bins):
    intervals = numpy.empty((len(prediction), 2))
    for group in range(12):
        inside = bins == group
        regressor = SplitConformalRegressor(Identity(), confidence_level=LEVEL, prefit=True)
        regressor.conformalize(prediction[inside, None], truth[inside])
        intervals[inside] = regressor.predict_interval(prediction[inside, None])[1][:, :, 0]
    return intervals


def by_numpy(prediction, truth, bins):
    scores = numpy.abs(truth - prediction)
    half = numpy.empty(len(prediction))
    for group in range(12):
        inside = bins == group
        of_group = numpy.sort(scores[inside])
        half[inside] = of_group[-(-(len(of_group) + 1) * 9 // 10) - 1]
    return numpy.clip(numpy.stack([prediction - half, prediction + half], 1), 0, 116)


PANDAS = """
import math, sys, numpy, pandas
path, out = sys.argv[1:]
frame = pandas.read_csv(path) if path.endswith("csv") else pandas.read_parquet(path)
scores = (frame.truth - frame.prediction).abs()
rank = lambda s: numpy.sort(s.to_numpy())[math.ceil((len(s) + 1) * 0.9) - 1]
half = frame.group.map(scores.groupby(frame.group).agg(rank))
frame["lower"] = (frame.prediction - half).clip(0, 116)
frame["upper"] = (frame.prediction + half).clip(0, 116)
frame.to_csv(out, index=False) if out.endswith("csv") else frame.to_parquet(out)
"""


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def row(name, ours, peers):
    cells = [f"{ours:8.3f} s"]
    cells += [f"{peer} {seconds:.3f} s ({seconds / ours:.1f}x)" for peer, seconds in peers.items()]
    print(f"{name:28}", "   ".join(cells))


def main(agespan, bench):
    warnings.simplefilter("ignore")
    print(f"{N:,} rows, 12 groups, {LEVEL:.0%}; {machine.described()}")
    prediction, truth = data()
    bins = numpy.minimum(prediction // 10, 11).astype(int)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        raw = folder / "rows.f64"
        numpy.concatenate([[N], prediction, truth]).tofile(raw)
        ours = json.loads(subprocess.check_output([bench, raw]))
        # The same answer, or the times mean nothing.
        theirs = by_numpy(prediction, truth, bins)
        covered = int(((theirs[:, 0] <= truth) & (truth <= theirs[:, 1])).sum())
        assert abs(ours["covered"] - covered) < 20, (ours, covered)
        assert ours["groups"] == 12
        peers = {"crepes": by_crepes, "MAPIE": by_mapie, "NumPy": by_numpy}
        peers = {name: best(lambda: f(prediction, truth, bins))[0] for name, f in peers.items()}
        row("fit and predict, in memory", ours["fit"] + ours["predict"], peers)
        frame = pandas.DataFrame(
            {"prediction": prediction, "truth": truth, "group": [f"g{b}" for b in bins]}
        )
        frame.to_csv(folder / "rows.csv", index=False)
        frame.to_parquet(folder / "rows.parquet")
        for kind in ("csv", "parquet"):
            path, out = folder / f"rows.{kind}", folder / f"out.{kind}"
            command = ("calibrate", "--predictions", path, "--apply", path, "--out", out)
            seconds, _ = best(lambda: run(agespan, *command))
            pandas_seconds, _ = best(lambda: run(sys.executable, "-c", PANDAS, path, out))
            row(f"{kind} in, {kind} out, program", seconds, {"pandas": pandas_seconds})
    print(f"threshold at any level       {ours['lookup'] * 1e9:8.1f} ns")
    print(f"interval of an EstimateAge   {ours['interval'] * 1e6:8.2f} us")


if __name__ == "__main__":
    main(*sys.argv[1:])
