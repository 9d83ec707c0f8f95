"""Writes two lists: the tree of the source into docs/index.md, the pages into docs/course/index.md.

Each folder and file of the source comes with the first sentence of its own docstring (of a C++
file, of its first comment), each page of the course with the sentence under its title. So the
lists cannot say what code and pages do not.

    python docs/tools/tree.py            # says whether the two pages are up to date
    python docs/tools/tree.py --write    # brings them up to date
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


def course(folder: Path) -> list[str]:
    """Return the list of the pages of the course: the stages in order, then the others."""
    lines = ["| page | what it says |", "|---|---|"]
    pages = sorted(path for path in folder.glob("*.md") if path.name != "index.md")
    for path in sorted(pages, key=lambda path: not path.name[0].isdigit()):
        title, said = path.read_text("utf-8").split("\n\n")[:2]
        said = " ".join(said.split())
        lines.append(f"| [{title.removeprefix('# ')}]({path.name}) | {_cell(said)} |")
    return [*lines, ""]


def written(source: str, name: str, lines: list[str]) -> str:
    """Return a page in which the lines between its two marks of that name are these."""
    begin, end = f"<!-- {name}: written by docs/tools/tree.py -->", f"<!-- end of {name} -->"
    before, mark, rest = source.partition(begin)
    _, other, after = rest.partition(end)
    if not (mark and other):
        raise SystemExit(f"a page needs the lines {begin!r} and {end!r}")
    return "\n".join([before + begin, "", *lines]) + end + after


def outdated() -> dict[Path, str]:
    """Return the pages whose list is not up to date, as they should be."""
    course_page = PAGE.parent / "course" / "index.md"
    lists = {
        PAGE: ("tree", tree(SOURCE, PAGE)),
        course_page: ("pages", course(course_page.parent)),
    }
    new = {page: written(page.read_text("utf-8"), *of) for page, of in lists.items()}
    return {page: text for page, text in new.items() if page.read_text("utf-8") != text}


def main() -> int:
    """Check or write the lists; returns the number of pages that are out of date."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the pages")
    write = parser.parse_args().write
    wrong = outdated()
    for page, text in wrong.items():
        if write:
            page.write_text(text, "utf-8")
        print(f"{'written' if write else 'out of date'}: {page.relative_to(ROOT)}")
    return 0 if write else len(wrong)


if __name__ == "__main__":
    sys.exit(main())
