"""How many nodes, at what price, and what is full first: simulated from measured figures.

simulate.py prints tables. What stands under a star hangs on figures of the section `assumed` in measured.json,
which nobody has measured: put your own there, or name them here (--set gpu_per_hour=2.5).
"""

import argparse
import functools
import json
import math
import pathlib

import estimators
import page
from figures import FILE, Figures
from generators import Kind, from_zero, steady
from tables import Column, Table

# Of what is full: from here on waiting grows fast, and nothing is left for a bad hour.
FULL = 0.7
ASKED = (100, 300, 1000, 3000, 6000)
LOADS = (0.5, 0.7, 0.9, 0.95, 1.0, 1.1, 1.5)
PODS = (1, 8, 64, 128, 250, 500)
WAKES = ((1, 10), (1, 500), (8, 100), (8, 500))
PHOTOS, IMAGES = 50_000, 5_000

OF_PRICE = ("two_processors_per_hour",)
OF_CALLERS = ("callers",)
OF_BOTH = (
    "redis_round_trip_seconds", "store_gbit_per_second", "node_gbit_per_second", "store_request_seconds",
    "deaths_per_generator_hour", "jobs_listed",
)
OF_KIND = {
    "cpu": OF_BOTH + ("cpu_start_seconds", "cpu_load_seconds"),
    "gpu": OF_BOTH + (
        "gpu_draw_seconds", "gpu_draws", "gpu_image_bytes", "gpu_pipeline_bytes", "gpu_start_seconds",
        "gpu_load_seconds",
    ),
}
OF_ANY = tuple(dict.fromkeys(OF_KIND["cpu"] + OF_KIND["gpu"]))
NAMES = {
    "cpu": "the small pipeline, 64 pixels, on two processors",
    "gpu": "Stable Diffusion v1.5, 512 pixels, on GPUs, which nobody has measured",
}
PRICES = {"cpu": "two_processors_per_hour", "gpu": "gpu_per_hour"}


def kind(figures, name):
    fields = ("draw_seconds", "draws", "image_bytes", "pipeline_bytes", "start_seconds", "load_seconds")
    return Kind(*(getattr(figures, f"{name}_{field}") for field in fields))


class Plan:
    """The tables, from one set of figures."""

    def __init__(self, figures, photos=PHOTOS, images=IMAGES, pods=PODS, wakes=WAKES, shards=None):
        self.figures, self.photos, self.images = figures, photos, images
        self.pods, self.wakes, self.shards = pods, wakes, shards
        self.pods_of_prices = 64

    def tables(self):
        return [
            self.estimators(), self.overload(), self.kept_busy("cpu"), self.kept_busy("gpu"),
            self.woken("cpu"), self.woken("gpu"), self.redis(), self.price_of_estimates(), self.price_of_images(),
        ]

    # Estimators.

    def fleet(self, pods, per_second):
        figures = self.figures
        room = figures.estimator_queue + figures.estimator_at_once
        return estimators.simulate(
            pods, per_second, 1 / figures.estimator_photos_per_second, room, figures.callers, self.photos
        )

    def pods_for(self, per_second):
        """As many as the autoscaler would keep."""
        busy = self.figures.estimator_cpu_percent / 100 * self.figures.estimator_photos_per_second
        return max(self.figures.estimator_min, math.ceil(per_second / busy))

    def estimators(self):
        rows = []
        for asked in ASKED:
            pods = self.pods_for(asked)
            whole, less = self.fleet(pods, asked), self.fleet(pods - 1, asked)
            rows.append([
                asked, pods, 100 * whole.used, 1000 * whole.mean_wait, 1000 * whole.wait(0.99),
                100 * less.used, 1000 * less.wait(0.99), 100 * less.refused / less.asked,
                pods * self.figures.two_processors_per_hour,
            ])
        return Table(
            "estimators",
            f"Estimators, as many pods as keep {self.figures.estimator_cpu_percent} % busy "
            f"({self.pods_for(1e6):,} for a million photos a second)",
            (
                Column("photos/s", "{:,}"), Column("pods"), Column("busy", "{:.0f} %", OF_CALLERS),
                Column("wait, mean", "{:.1f} ms", OF_CALLERS), Column("p99", "{:.1f} ms", OF_CALLERS),
                Column("one pod less: busy", "{:.0f} %", OF_CALLERS), Column("p99", "{:.0f} ms", OF_CALLERS),
                Column("refused", "{:.1f} %", OF_CALLERS), Column("price/h", "{:.2f}", OF_PRICE),
            ),
            rows,
        )

    def overload(self):
        pods = 4
        full = pods * self.figures.estimator_photos_per_second
        rows = []
        for load in LOADS:
            found = self.fleet(pods, load * full)
            rows.append([
                100 * load, full * load, 100 * found.used, 1000 * found.mean_wait, 1000 * found.wait(0.99),
                100 * found.refused / found.asked,
            ])
        return Table(
            "overload",
            f"{pods} estimators when more comes than they can answer, {self.photos:,} photos",
            (
                Column("of what they can", "{:.0f} %"), Column("photos/s", "{:,.0f}"),
                Column("busy", "{:.0f} %", OF_CALLERS), Column("wait, mean", "{:.1f} ms", OF_CALLERS),
                Column("p99", "{:.1f} ms", OF_CALLERS), Column("refused", "{:.1f} %", OF_CALLERS),
            ),
            rows,
        )

    # Generators.

    @functools.cache
    def pace(self, name, pods, jobs):
        # Many pods need few shards each for the same certainty.
        shards = self.shards or min(12, max(3, 600 // pods))
        return steady(self.figures, kind(self.figures, name), pods, jobs, shards)

    def enough_jobs(self, pods):
        """Twice as many open shards as there are pods."""
        return max(1, math.ceil(2 * pods / self.figures.shards_ahead))

    def full_first(self, pace):
        if pace.window_full:
            return f"the job's {self.figures.shards_ahead} shards"
        if max(pace.redis, pace.store) < FULL:
            return "the pods"
        return "Redis" if pace.redis > pace.store else "the store"

    def kept_busy(self, name):
        alone = self.pace(name, 1, 1).images_per_second
        rows = []
        for pods in self.pods:
            for jobs in sorted({1, self.enough_jobs(pods)}):
                found = self.pace(name, pods, jobs)
                rows.append([
                    pods, jobs, 3600 * found.images_per_second, 100 * found.images_per_second / (pods * alone),
                    100 * found.drawing, found.calls_per_second, 100 * found.redis, 100 * found.store,
                    self.full_first(found),
                ])
        rests = OF_KIND[name]
        return Table(
            f"kept busy, {name}",
            f"Generators that are kept busy: {NAMES[name]}",
            (
                Column("pods"), Column("jobs"), Column("images/h", "{:,.0f}", rests),
                Column("of linear", "{:.0f} %", rests), Column("drawing", "{:.0f} %", rests),
                Column("Redis calls/s", "{:,.0f}", rests), Column("Redis", "{:.1f} %", rests),
                Column("store", "{:.1f} %", rests), Column("full first", "{}", rests),
            ),
            rows,
        )

    @functools.cache
    def burst(self, name, jobs, most):
        return from_zero(self.figures, kind(self.figures, name), most, jobs, self.images)

    def woken(self, name):
        rows = []
        for jobs, most in self.wakes:
            found = self.burst(name, jobs, most)
            price = found.pod_seconds / 3600 * getattr(self.figures, PRICES[name])
            rows.append([
                jobs, most, found.most_pods, found.first_image_seconds, found.last_pod_seconds,
                found.seconds / 60,
                found.pod_seconds / 3600, 100 * found.drawn_share, 1000 * price / (jobs * self.images),
            ])
        rests = OF_KIND[name] + ("scale_tolerance",)
        return Table(
            f"woken, {name}",
            f"Jobs of {self.images:,} images that find no pod: {NAMES[name]}",
            (
                Column("jobs"), Column("generator-max"), Column("pods", "{}", rests),
                Column("first image", "{:.0f} s", rests), Column("last pod", "{:.0f} s", rests),
                Column("done", "{:.0f} min", rests),
                Column("paid, pod hours", "{:.1f}", rests), Column("drawing", "{:.0f} %", rests),
                Column("price/1,000 images", "{:.3f}", rests + (PRICES[name],)),
            ),
            rows,
        )

    def redis(self):
        """What a pod costs Redis, and how many it can bear: a line and a square through two sizes."""
        rows = []
        for name in ("cpu", "gpu"):
            few, many = self.pods[-2:]
            shares = [self.pace(name, pods, self.enough_jobs(pods)).redis / pods for pods in (few, many)]
            square = max(0.0, (shares[1] - shares[0]) / (many - few))
            line = shares[0] - square * few
            bears = FULL / line if square == 0 else (
                (math.sqrt(line * line + 4 * square * FULL) - line) / (2 * square)
            )
            calls = self.pace(name, many, self.enough_jobs(many)).calls_per_second / many
            rows.append([NAMES[name].split(",")[0], calls, 1e4 * line, 1e6 * square, bears])
        rests = OF_ANY
        return Table(
            "redis",
            f"What Redis has to do, from the two largest farms of above, and where it is {100 * FULL:.0f} % busy",
            (
                Column("drawing"), Column("calls/s of a pod", "{:.1f}", rests),
                Column("of 100 pods", "{:.2f} %", rests), Column("and by their square", "{:.2f} %", rests),
                Column("bears pods", "{:,.0f}", rests),
            ),
            rows,
        )

    # Prices.

    def price_of_estimates(self):
        figures, rows = self.figures, []
        for name, speed in (
            ("bfloat16", figures.estimator_photos_per_second),
            ("32-bit floats", figures.estimator_photos_per_second_float32),
        ):
            hours = 1e6 / (speed * figures.estimator_cpu_percent / 100) / 3600
            rows.append([name, hours, hours * figures.two_processors_per_hour])
        return Table(
            "price of estimates",
            f"A million estimates by pods that are {figures.estimator_cpu_percent} % busy, nothing else counted",
            (Column("in"), Column("pod hours", "{:.3f}"), Column("price", "{:.3f}", OF_PRICE)),
            rows,
        )

    def price_of_images(self):
        pods, rows = self.pods_of_prices, []
        for name in ("cpu", "gpu"):
            found = self.pace(name, pods, self.enough_jobs(pods))
            hours = 1000 * pods / found.images_per_second / 3600
            rows.append([NAMES[name].split(",")[0], hours, hours * getattr(self.figures, PRICES[name])])
        return Table(
            "price of images",
            f"A thousand images by {pods} pods that are kept busy, nothing else counted",
            (
                Column("of"), Column("pod hours", "{:.3f}", OF_ANY),
                Column("price", "{:.3f}", OF_ANY + tuple(PRICES.values())),
            ),
            rows,
        )


def printed(tables, figures):
    return "\n\n".join("\n".join(table.lines(figures)) for table in tables) + "\n"


def setting(text):
    name, _, value = text.partition("=")
    return name, float(value)


def arguments():
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--measured", metavar="FILE", default=FILE, help="other figures than measured.json's")
    asked.add_argument("--set", metavar="NAME=VALUE", type=setting, action="append", default=[], help="one of them")
    asked.add_argument("--price", metavar="PRICE", type=float, help="of two processors, an hour")
    asked.add_argument("--gpu-price", metavar="PRICE", type=float, help="of a node with a GPU, an hour")
    asked.add_argument("--json", action="store_true", help="for programs")
    asked.add_argument("--html", metavar="FILE", help="a page with plots beside")
    asked.add_argument("--svg", metavar="FILE", help="the plots alone")
    asked.add_argument("--into", metavar="FILE", help="put the tables where a page has those of before")
    return asked.parse_args()


def main():
    asked = arguments()
    changed = dict(asked.set)
    for name, price in (("two_processors_per_hour", asked.price), ("gpu_per_hour", asked.gpu_price)):
        if price is not None:
            changed[name] = price
    figures = Figures.of_file(asked.measured).replaced(**changed)
    plan = Plan(figures)
    tables = plan.tables()
    text = printed(tables, figures)
    if asked.json:
        print(json.dumps({table.key: table.for_programs(figures) for table in tables}, indent=2))
    else:
        print(text, end="")
    if asked.html:
        pathlib.Path(asked.html).write_text(page.html(tables, figures))
    if asked.svg:
        pathlib.Path(asked.svg).write_text(page.svg(tables))
    if asked.into:
        file = pathlib.Path(asked.into)
        file.write_text(page.with_tables(file.read_text(), text))


if __name__ == "__main__":
    main()
