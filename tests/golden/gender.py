"""Makes gender.json: accuracy, F1 and the ROC curve of scikit-learn, and the interval score by numpy, on
seeded answers, some of them with equal probabilities.

Run once, by hand:

    pip install scikit-learn==1.9.1 numpy
    python gender.py
"""

import importlib.metadata
import json
import pathlib

import numpy
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    roc_auc_score,
    roc_curve,
)

COUNT, THRESHOLD, MISCOVERAGE = 90, 0.55, 0.1

random = numpy.random.default_rng(3)
female = random.random(COUNT) < 0.4
# Rounded, so that some are equal.
probability = numpy.clip(female * 0.3 + random.random(COUNT) * 0.7, 0, 1).round(2)
answered = probability >= THRESHOLD
age = random.integers(0, 90, COUNT).astype(float)
estimate = (age + random.normal(0, 6, COUNT)).round(3)
lower, upper = estimate - 7, estimate + 9
false_rate, true_rate, _ = roc_curve(female, probability, drop_intermediate=False)
score = (
    upper
    - lower
    + 2 / MISCOVERAGE * (lower - age) * (age < lower)
    + 2 / MISCOVERAGE * (age - upper) * (age > upper)
)
golden = {
    "versions": {
        name: importlib.metadata.version(name) for name in ["scikit-learn", "numpy"]
    },
    "rows": [
        {
            "female": bool(female[i]),
            "probability": float(probability[i]),
            "answered": bool(answered[i]),
            "age": float(age[i]),
            "estimate": float(estimate[i]),
            "interval": [float(lower[i]), float(upper[i])],
        }
        for i in range(COUNT)
    ],
    "accuracy": float(accuracy_score(female, answered)),
    "balanced_accuracy": float(balanced_accuracy_score(female, answered)),
    "f1": float(f1_score(female, answered)),
    "f1_male": float(f1_score(~female, ~answered)),
    "area": float(roc_auc_score(female, probability)),
    "curve": [[float(a), float(b)] for a, b in zip(false_rate, true_rate)],
    "median_error": float(numpy.median(abs(estimate - age))),
    "interval_score": float(score.mean()),
}
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(golden, indent=1) + "\n")
