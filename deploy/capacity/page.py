"""The tables as a page with plots, which fetches nothing and is readable in light and dark."""

import html as markup
import math

BEGIN, END = "<!-- printed by simulate.py -->\n```\n", "```\n<!-- to here -->"
STYLE = """
.plot { --ink: #222; --soft: #666; --line: #ddd; --ground: #fff; --one: #1f5c99; --two: #c85a28; --three: #2b7a4b;
  --four: #7a4b9e; font: 12px system-ui, sans-serif }
@media (prefers-color-scheme: dark) {
  .plot { --ink: #e4e4e4; --soft: #a8a8a8; --line: #3a3d42; --ground: #17191c; --one: #6fb1f0; --two: #f0966a;
    --three: #6cc792; --four: #c39be6 }
}
.ground { fill: var(--ground) } .grid { stroke: var(--line) } .name { fill: var(--ink) } .tick { fill: var(--soft) }
.curve { fill: none; stroke-width: 2 } .straight { fill: none; stroke-dasharray: 3 4 }
.s0 { stroke: var(--one) } .s1 { stroke: var(--two) } .s2 { stroke: var(--three) } .s3 { stroke: var(--four) }
.d0 { fill: var(--one) } .d1 { fill: var(--two) } .d2 { fill: var(--three) } .d3 { fill: var(--four) }
"""
PAGE = """
:root { color-scheme: light dark }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 66rem; margin: 2rem auto; padding: 0 1rem;
  color: #222; background: #fff }
@media (prefers-color-scheme: dark) { body { color: #e4e4e4; background: #17191c } }
pre { overflow-x: auto; font-size: 13px } svg { max-width: 100%; height: auto }
"""
WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 840, 300, 70, 40, 44, 260


class Axis:
    """Values to pixels, by their logarithm or as they are."""

    def __init__(self, low, high, begin, end, by_logarithm):
        self.by_logarithm = by_logarithm
        # What never changes is drawn at the foot.
        self.low, self.high, self.begin, self.end = low, high if high > low else low + 1, begin, end

    def scaled(self, value):
        return math.log10(value) if self.by_logarithm else value

    def __call__(self, value):
        low, high = self.scaled(self.low), self.scaled(self.high)
        return self.begin + (self.scaled(value) - low) / (high - low) * (self.end - self.begin)

    def ticks(self):
        if self.by_logarithm:
            powers = range(math.ceil(math.log10(self.low)), math.floor(math.log10(self.high)) + 1)
            return [10**power for power in powers]
        return [self.low + (self.high - self.low) * part / 4 for part in range(5)]


def text(x, y, words, style, anchor="middle"):
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{style}" text-anchor="{anchor}">{markup.escape(words)}</text>'


def number(value):
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"


def plot(title, across, up, curves, top, logarithms=(True, False)):
    """One plot, `top` pixels down. A curve is a name, points, and whether a line shows what is in proportion."""
    xs = [x for _, points, _ in curves for x, _ in points]
    ys = [y for _, points, _ in curves for _, y in points]
    ends = {name: linear_end(points) for name, points, is_straight in curves if is_straight}
    ys += ends.values()
    low = min(ys) if logarithms[1] else 0
    x = Axis(min(xs), max(xs), LEFT, WIDTH - RIGHT, logarithms[0])
    y = Axis(low, max(ys), HEIGHT - BOTTOM, TOP, logarithms[1])
    parts = [f'<g transform="translate(0 {top})">', text(LEFT, 18, title, "name", "start")]
    for value in x.ticks():
        parts.append(text(x(value), HEIGHT - BOTTOM + 16, number(value), "tick"))
    for value in y.ticks():
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>')
        parts.append(text(LEFT - 6, y(value) + 4, number(value), "tick", "end"))
    parts.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, across, "tick"))
    parts.append(text(LEFT, 34, up, "tick", "start"))
    # Names beside the ends, apart from each other.
    below = -math.inf
    for place, (name, points, is_straight) in sorted(enumerate(curves), key=lambda c: y(c[1][1][-1][1])):
        path = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in points)
        parts.append(f'<polyline class="curve s{place}" points="{path}"/>')
        if is_straight:
            line = [points[0], (points[-1][0], ends[name])]
            path = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in line)
            parts.append(f'<polyline class="straight s{place}" points="{path}"/>')
        parts += [f'<circle class="d{place}" cx="{x(a):.1f}" cy="{y(b):.1f}" r="3"/>' for a, b in points]
        below = max(below + 15, y(points[-1][1]) + 4)
        parts.append(text(WIDTH - RIGHT + 10, below, name, f"d{place}", "start"))
    return "".join([*parts, "</g>"])


def linear_end(points):
    (first, value), (last, _) = points[0], points[-1]
    return value * last / first


def values(table, *names):
    places = [[column.name for column in table.columns].index(name) for name in names]
    return [tuple(row[place] for place in places) for row in table.rows]


def farms(table, name):
    """By pods: with one job, and with enough."""
    rows = values(table, "pods", "jobs", name)
    most = {pods: max(jobs for other, jobs, _ in rows if other == pods) for pods, _, _ in rows}
    one = [(pods, value) for pods, jobs, value in rows if jobs == 1]
    enough = [(pods, value) for pods, jobs, value in rows if jobs == most[pods]]
    return one, enough


def plots(tables):
    by_key = {table.key: table for table in tables}
    images, redis = [], []
    for name, said in (("cpu", "small, processors"), ("gpu", "SD 1.5, GPUs (assumed)")):
        table = by_key[f"kept busy, {name}"]
        one, enough = farms(table, "images/h")
        images += [(f"{said}: enough jobs", enough, True), (f"{said}: one job", one, False)]
        redis.append((said, farms(table, "Redis")[1], False))
    overload = by_key["overload"]
    refused = values(overload, "of what they can", "refused")
    waits = values(overload, "of what they can", "p99")
    return [
        ("Images an hour (dashed: linear)", "pods", "images/h", images, (True, True)),
        ("Redis, of one thread", "pods", "%", redis, (True, False)),
        ("Estimators: wait at the 99th percentile", "load, % of what they can answer", "ms", [("p99", waits, False)],
         (False, False)),
        ("Estimators: refused", "load, % of what they can answer", "%", [("refused", refused, False)], (False, False)),
    ]


def svg(tables):
    drawn = [
        plot(title, across, up, curves, place * (HEIGHT + 20), logarithms)
        for place, (title, across, up, curves, logarithms) in enumerate(plots(tables))
    ]
    height = len(drawn) * (HEIGHT + 20)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="plot" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" role="img"><title>Capacity</title><style>{STYLE}</style>'
        f'<rect class="ground" width="{WIDTH}" height="{height}"/>{"".join(drawn)}</svg>\n'
    )


def html(tables, figures):
    printed = "\n\n".join("\n".join(table.lines(figures)) for table in tables)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Capacity</title>'
        f"<style>{PAGE}</style></head><body><h1>Capacity</h1>"
        "<p>Simulated from measured figures; what stands under a star hangs on assumptions.</p>"
        f"{svg(tables)}<pre>{markup.escape(printed)}</pre></body></html>\n"
    )


def with_tables(text, printed):
    """A page with these tables in the place of those of before."""
    before, found, rest = text.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not (found and ended):
        raise ValueError("the page has no place for tables")
    return before + BEGIN + printed + END + after
