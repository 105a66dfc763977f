"""Draws what `growth.py` measured: one SVG in light and dark, which fetches nothing."""

import math
from xml.sax.saxutils import escape

GRIDS = {"batch": "photos in a batch", "callers": "callers", "pixels": "megapixels of a photo"}
TITLES = {
    "batch": "Batches, 4 callers",
    "callers": "Single requests",
    "pixels": "Larger photos, 16 callers",
    "cores": "Most single requests",
}
LIGHT = ("#1f5c99", "#c85a28", "#2e7d4f", "#7a4fa3", "#8a6d00")
DARK = ("#6cb0f0", "#f08a55", "#6fcf97", "#c39be8", "#e0c04a")
WIDTH, HEIGHT, TOP = 880, 690, 62
# Of a panel: its distance from the next, and the frame within it.
ACROSS, DOWN = 440, 312
LEFT, FRAME_TOP, FRAME_WIDTH, FRAME_HEIGHT = 62, 30, 356, 218


def colours(inks, ground, ink, soft, line):
    named = "".join(f".s{at} {{ stroke: {ink}; fill: {ink} }}" for at, ink in enumerate(inks))
    return (
        f"{named} .ground {{ fill: {ground} }} text {{ fill: {ink} }} .soft {{ fill: {soft} }}"
        f" .grid {{ stroke: {line} }} .ideal {{ stroke: {soft} }}"
    )


STYLE = (
    "text { font: 12px system-ui, sans-serif } .title { font-weight: 600; font-size: 13px }"
    " .line { stroke-width: 2 } .ideal { fill: none; stroke-dasharray: 5 4 }"
    + colours(LIGHT, "#fff", "#222", "#555", "#ddd")
    + f" @media (prefers-color-scheme: dark) {{ {colours(DARK, '#17191c', '#e4e4e4', '#a8a8a8', '#3a3d42')}"
    # More exact than `.s0`, which would fill a line's area.
    + " } path.line { fill: none }"
)


class Panel:
    """A frame with its axes; `x` and `y` take figures to places in the picture."""

    def __init__(self, column, row, ticks, top, log=True):
        self.left, self.top = LEFT + column * ACROSS, TOP + FRAME_TOP + row * DOWN
        self.scale = math.log if log else float
        self.ticks = ticks
        # Room on both sides, so that no mark lies on the frame.
        self.first, self.last = self.scale(min(ticks)), self.scale(max(ticks))
        self.step = nice(top / 4)
        self.most = self.step * math.ceil(top * 1.02 / self.step)

    def x(self, value):
        span = (self.last - self.first) or 1
        return self.left + 18 + (self.scale(value) - self.first) / span * (FRAME_WIDTH - 36)

    def y(self, value):
        return self.top + FRAME_HEIGHT * (1 - value / self.most)

    def axes(self, title, below):
        bottom, parts = self.top + FRAME_HEIGHT, []
        for number in range(round(self.most / self.step) + 1):
            at = self.y(number * self.step)
            parts.append(f'<path class="grid" d="M{self.left} {at:.1f}h{FRAME_WIDTH}"/>')
            parts.append(text(self.left - 6, at + 4, f"{number * self.step:g}", "soft", "end"))
        for tick, label in self.ticks.items():
            parts.append(text(self.x(tick), bottom + 17, label, "soft", "middle"))
        middle = self.left + FRAME_WIDTH / 2
        parts.append(text(self.left, self.top - 12, title, "title"))
        parts.append(text(middle, bottom + 36, below, "soft", "middle"))
        turned = f'transform="rotate(-90 {self.left - 44} {self.top + FRAME_HEIGHT / 2})"'
        parts.append(text(self.left - 44, self.top + FRAME_HEIGHT / 2, "photos a second", "soft", "middle", turned))
        return parts

    def line(self, points, number):
        places = [(self.x(x), self.y(y)) for x, y in sorted(points)]
        return [path(places, f"line s{number}")] + [mark(x, y, number) for x, y in places]


def nice(step):
    """The next of 1, 2, 2.5, 5 times a power of ten."""
    power = 10 ** math.floor(math.log10(step))
    return next(times * power for times in (1, 2, 2.5, 5, 10) if times * power >= step)


def text(x, y, words, kind="", anchor="start", more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}" {more}>{escape(words)}</text>'


def path(places, kind):
    return f'<path class="{kind}" d="M{" L".join(f"{x:.1f} {y:.1f}" for x, y in places)}"/>'


def mark(x, y, number):
    """A disc, a square, a diamond: told apart without colours."""
    if number % 3 == 0:
        return f'<circle class="s{number}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>'
    turn = f' transform="rotate(45 {x:.1f} {y:.1f})"' if number % 3 == 2 else ""
    return f'<rect class="s{number}" x="{x - 3.2:.1f}" y="{y - 3.2:.1f}" width="6.4" height="6.4"{turn}/>'


def grid_panel(grid, place, figures):
    """Photos a second of every setting over one grid."""
    ticks = {at: label(grid, at) for at in next(iter(figures.values()))[grid]}
    lines = [
        [(at, seen["photos"]) for at, seen in grids[grid].items()] for grids in figures.values()
    ]
    panel = Panel(*place, ticks, max(y for line in lines for _, y in line))
    parts = panel.axes(TITLES[grid], GRIDS[grid])
    for number, line in enumerate(lines):
        parts += panel.line(line, number)
    return parts


def label(grid, at):
    return f"{at / 1e6:.2g}" if grid == "pixels" else str(at)


def cores_panel(place, peaks):
    """The best of each setting over its cores, beside a multiple of one core's."""
    alone, most = peaks[1, 1], max(replicas * cores for replicas, cores in peaks)
    ticks = {cores: str(cores) for cores in range(1, most + 1)}
    panel = Panel(*place, ticks, max(alone * most, *peaks.values()), log=False)
    parts = panel.axes(TITLES["cores"], "cores (broken line: a multiple of one core)")
    parts.append(path([(panel.x(cores), panel.y(alone * cores)) for cores in (1, most)], "ideal"))
    for number, ((replicas, cores), peak) in enumerate(peaks.items()):
        parts.append(mark(panel.x(replicas * cores), panel.y(peak), number))
    return parts


def legend(names):
    parts, x = [], LEFT
    for number, name in enumerate(names):
        parts += [mark(x + 4, 46, number), text(x + 14, 50, name)]
        x += 34 + 7 * len(name)
    return parts


def drawn(about, figures, peaks):
    """The picture: `figures` by setting's name, grid and place, `peaks` by setting."""
    parts = [text(LEFT, 24, f"Answers by the age estimator: {about}", "title"), *legend(figures)]
    for grid, place in zip(GRIDS, [(0, 0), (1, 0), (0, 1)]):
        parts += grid_panel(grid, place, figures)
    parts += cores_panel((1, 1), peaks)
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        f' aria-label="Photos a second by batch, callers, size of photo, cores and replicas">\n'
        f'<style>{STYLE}</style>\n<rect class="ground" width="{WIDTH}" height="{HEIGHT}" rx="6"/>\n{body}\n</svg>\n'
    )
