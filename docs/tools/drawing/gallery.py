"""The list of all pictures: who draws the picture of which name."""

import importlib
import pkgutil
from collections.abc import Callable

import drawing

Draw = Callable[[], str]
_GALLERY: dict[str, Draw] = {}


def picture(name: str) -> Callable[[Draw], Draw]:
    """Mark a function as the one that draws `docs/course/pictures/<name>.svg`."""

    def mark(draw: Draw) -> Draw:
        if name in _GALLERY and _GALLERY[name].__qualname__ != draw.__qualname__:
            raise ValueError(f"two functions draw {name!r}")
        _GALLERY[name] = draw
        return draw

    return mark


def gallery() -> dict[str, Draw]:
    """Return every picture of the modules called `stage_...`, by name."""
    for module in pkgutil.iter_modules(drawing.__path__):
        if module.name.startswith("stage_"):
            importlib.import_module(f"drawing.{module.name}")
    return dict(sorted(_GALLERY.items()))
