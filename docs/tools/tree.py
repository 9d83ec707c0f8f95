"""Writes the tree of the source into docs/index.md: each folder and file with one sentence.

The sentence is the first one of the module's own docstring (of a C++ file, of its first comment),
so the tree cannot say what the code does not.

    python docs/tools/tree.py            # says whether the page is up to date
    python docs/tools/tree.py --write    # brings it up to date
"""

import argparse
import ast
import os
import re
import sys
import tomllib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "bardling"
PAGE = ROOT / "docs" / "index.md"
BEGIN, END = "<!-- tree: written by docs/tools/tree.py -->", "<!-- end of tree -->"
KINDS = (".py", ".cpp", ".h")
SENTENCE = re.compile(r".+?(?<!e\.g)(?<!i\.e)[.?!](?=\s|$)")


def sentence(path: Path) -> str:
    """Return the first sentence that a file says about itself."""
    source = path.read_text("utf-8")
    if path.suffix == ".py":
        said = ast.get_docstring(ast.parse(source)) or ""
    else:
        said = " ".join(line[3:] for line in _comment(source))
    said = " ".join(said.split("\n\n")[0].split())
    found = SENTENCE.match(said)
    return found[0] if found else said.rstrip(":") + "."


def _comment(source: str) -> list[str]:
    lines = source.splitlines()
    for number, line in enumerate(lines):
        if not line.startswith("// "):
            return lines[:number]
    return lines


@cache
def _layers() -> list[str]:
    """Return the stages from the first to the last, as the layer contract has them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return settings["tool"]["importlinter"]["contracts"][0]["layers"][::-1]


def stage(path: Path) -> tuple[int, str]:
    """Return where a file or folder comes: in the order of the stages, then by name."""
    layers = _layers() if path.parent == SOURCE else []
    return (layers.index(path.stem) if path.stem in layers else len(layers)), path.name


def tree(folder: Path, page: Path) -> list[str]:
    """Return the Markdown of a folder: a heading, a table of its files, then its folders."""
    files = sorted((p for p in folder.iterdir() if p.suffix in KINDS), key=stage)
    files = [path for path in files if path.name != "__init__.py"]
    folders = sorted((p for p in folder.iterdir() if (p / "__init__.py").exists()), key=stage)
    name = folder.relative_to(SOURCE.parent)
    level = "#" * min(len(name.parts) + 2, 4)
    lines = [f"{level} {name}/", "", sentence(folder / "__init__.py"), ""]
    if files:
        lines += ["| file | what it is |", "|---|---|"]
        lines += [f"| {_linked(path, page)} | {_cell(sentence(path))} |" for path in files]
        lines.append("")
    for inner in folders:
        lines += tree(inner, page)
    return lines


def _linked(path: Path, page: Path) -> str:
    return f"[`{path.name}`]({Path(os.path.relpath(path, page.parent)).as_posix()})"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def written(source: str, page: Path = PAGE) -> str:
    """Return a page with the tree between its two marks brought up to date."""
    before, mark, rest = source.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (mark and end):
        raise SystemExit(f"{page} needs the lines {BEGIN!r} and {END!r}")
    return "\n".join([before + BEGIN, "", *tree(SOURCE, page)]) + END + after


def main() -> int:
    """Check or write the tree; returns 1 where it is out of date."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the page")
    write = parser.parse_args().write
    source = PAGE.read_text("utf-8")
    new = written(source)
    if new == source:
        return 0
    if write:
        PAGE.write_text(new, "utf-8")
        return 0
    print("docs/index.md does not show the tree as it is: python docs/tools/tree.py --write")
    return 1


if __name__ == "__main__":
    sys.exit(main())
