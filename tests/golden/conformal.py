"""Makes conformal.json: thresholds of crepes and MAPIE on seeded residuals.

Run once, by hand:

    pip install crepes==0.9.1 mapie==1.6.0 numpy
    python conformal.py

Both are right on the groups below, and are compared with. Where they are wrong they are recorded as
they are, beside the exact answer that our tests expect.
"""

import json
import pathlib
import warnings
from importlib.metadata import version

import numpy
from crepes import ConformalRegressor
from mapie.regression import SplitConformalRegressor

LEVELS = [0.5, 0.8, 0.9, 0.95]
SIZES = {"a": 40, "b": 97, "c": 250, "d": 1000}


class Constant:
    """A fitted scikit-learn regressor that predicts 0."""

    is_fitted_ = True

    def fit(self, X, y):
        return self

    def predict(self, X):
        return numpy.zeros(len(X))


def crepes_threshold(residuals, level):
    regressor = ConformalRegressor().fit(numpy.asarray(residuals))
    return float(regressor.predict_int(numpy.zeros(1), confidence=level)[0, 1])


def mapie_threshold(residuals, level):
    regressor = SplitConformalRegressor(Constant(), confidence_level=level, prefit=True)
    regressor.conformalize(numpy.zeros((len(residuals), 1)), numpy.asarray(residuals))
    return float(regressor.predict_interval(numpy.zeros((1, 1)))[1][0, 1, 0])


def said_by_mapie(residuals, level):
    try:
        return str(mapie_threshold(residuals, level))
    except ValueError as error:
        return f"refused: {error}".replace("\n", " ")


def main():
    warnings.simplefilter("ignore")
    rng = numpy.random.default_rng(20261123)
    groups = {
        name: [round(float(r), 6) for r in numpy.abs(rng.normal(0, 5, size))]
        for name, size in SIZES.items()
    }
    golden = {
        "crepes": version("crepes"),
        "mapie": version("mapie"),
        "groups": groups,
        "thresholds": [
            {
                "group": name,
                "level": level,
                "crepes": crepes_threshold(residuals, level),
                "mapie": mapie_threshold(residuals, level),
            }
            for name, residuals in groups.items()
            for level in LEVELS
        ],
        # Exactly 9: the ninth of nine. JSON has no infinity.
        "nine_at_90": {
            "crepes": str(crepes_threshold(range(1, 10), 0.9)),
            "mapie": said_by_mapie(range(1, 10), 0.9),
        },
        # Nothing finite keeps 90 % with eight.
        "eight_at_90": {
            "crepes": str(crepes_threshold(range(1, 9), 0.9)),
            "mapie": said_by_mapie(range(1, 9), 0.9),
        },
    }
    here = pathlib.Path(__file__).parent
    (here / "conformal.json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
