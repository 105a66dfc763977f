"""What the simulation goes by: measured.json, or one like it."""

import json
import pathlib

FILE = pathlib.Path(__file__).parent / "measured.json"
SECTIONS = ("measured", "configured", "assumed")


class Figures:
    """Figures by name, whatever their section."""

    def __init__(self, sections):
        self.sections = sections
        self.values = {
            name: entry["value"] for section in SECTIONS for name, entry in sections[section].items()
        }

    @classmethod
    def of_file(cls, file=FILE):
        return cls(json.loads(pathlib.Path(file).read_text()))

    def __getattr__(self, name):
        try:
            return self.__dict__["values"][name]
        except KeyError:
            raise AttributeError(f"no figure is named {name}") from None

    def assumed(self, names):
        """Those of these that nobody has measured."""
        return [name for name in names if name in self.sections["assumed"]]

    def replaced(self, **values):
        """The same with other values."""
        unknown = values.keys() - self.values.keys()
        if unknown:
            raise ValueError(f"no figure is named {', '.join(sorted(unknown))}")
        sections = {
            section: {
                name: entry | ({"value": values[name]} if name in values else {})
                for name, entry in self.sections[section].items()
            }
            for section in SECTIONS
        }
        return Figures(sections)
