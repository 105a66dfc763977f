"""Tables for people, in a terminal."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Column:
    """A heading, how a value is written, and the figures that its values hang on."""

    name: str
    write: str = "{}"
    rests_on: tuple = ()

    def text(self, value):
        return "" if value is None else self.write.format(value)


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of values. `key` is its name for programs."""

    key: str
    title: str
    columns: tuple
    rows: list

    def lines(self, figures):
        """As printed: a star at the heading of what hangs on an assumption, and the assumptions below."""
        names, resting = [], []
        for column in self.columns:
            assumed = figures.assumed(column.rests_on)
            names.append(column.name + (" *" if assumed else ""))
            resting += [name for name in assumed if name not in resting]
        cells = [[c.text(value) for c, value in zip(self.columns, row)] for row in self.rows]
        widths = [max(map(len, of_column)) for of_column in zip(names, *cells)]
        lines = [self.title, "", aligned(names, widths)]
        lines += [aligned(row, widths) for row in cells]
        if resting:
            lines += wrapped("* rests on " + ", ".join(resting))
        return lines

    def for_programs(self, figures):
        return {
            "title": self.title,
            "columns": [
                {"name": column.name, "assumptions": figures.assumed(column.rests_on)}
                for column in self.columns
            ],
            "rows": self.rows,
        }


def aligned(cells, widths):
    """The first column is a name, the others are numbers."""
    first, *others = [
        cell.ljust(width) if place == 0 else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(cells, widths))
    ]
    return "  " + "   ".join([first, *others]).rstrip()


def wrapped(text, width=108):
    lines, line = [], " "
    for word in text.split():
        if len(line) + 1 + len(word) > width:
            lines.append(line)
            line = "   "
        line += " " + word
    return [*lines, line]
