"""Draws every picture of the course.

Each module of `drawing` that is called `stage_...` has functions marked with `@picture(name)`,
which return an SVG. What a picture shows of numbers is computed, by the package where it can be.

    python docs/tools/pictures.py            # says which pictures are not as they would be drawn
    python docs/tools/pictures.py --write    # draws them
"""

import argparse
import sys
from pathlib import Path

from drawing.gallery import gallery

FOLDER = Path(__file__).resolve().parents[1] / "course" / "pictures"


def differing(folder: Path = FOLDER) -> dict[str, str]:
    """Return the pictures that are not in the folder as they would be drawn, by file name."""
    drawn = {f"{name}.svg": draw() for name, draw in gallery().items()}
    there = {path.name: path.read_text("utf-8") for path in folder.glob("*.svg")}
    unknown = dict.fromkeys(there.keys() - drawn.keys(), "")
    return {name: svg for name, svg in (drawn | unknown).items() if there.get(name) != svg}


def main() -> int:
    """Check or draw the pictures; returns the number that are out of date."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="draw them")
    write = parser.parse_args().write
    wrong = differing()
    FOLDER.mkdir(exist_ok=True)
    for name, svg in sorted(wrong.items()):
        print(f"{'drawn' if write else 'out of date'}: docs/course/pictures/{name}")
        if write and svg:
            (FOLDER / name).write_text(svg, "utf-8")
        elif write:
            (FOLDER / name).unlink()
    return 0 if write else len(wrong)


if __name__ == "__main__":
    sys.exit(main())
