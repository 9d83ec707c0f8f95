"""Keeps the links from pages to lines of code right.

A link names a symbol and a file, `[`Attention`](../../src/bardling/model/attention.py#L1-L9)`.
Its text says which lines are meant: `symbol`, `Class.method`, or either after the file's stem,
`attention.split_heads`. This tool looks the symbol up in the file's syntax tree and checks the
line numbers, or writes them. A link without `#` means a whole file and needs only to exist.

    python docs/tools/lines.py            # says which links are wrong
    python docs/tools/lines.py --write    # mends them
"""

import argparse
import ast
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"\[`(?P<text>[^`\]]+)`\]\((?P<path>[\w./-]+)(?:#(?P<place>[\w-]+))?\)")
CODE = {".py", ".cpp", ".h", ".toml"}
Lines = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Link:
    """One link to code, where it stands in a page, and what it says."""

    span: tuple[int, int]
    text: str
    path: str
    place: str | None

    def file(self, page: Path) -> Path:
        """Return the file that is meant, seen from the page."""
        return Path(os.path.normpath(page.parent / self.path))


def links(source: str) -> Iterator[Link]:
    """Yield the links to code of a page, in order."""
    for found in LINK.finditer(source):
        if Path(found["path"]).suffix in CODE:
            place = found["place"]
            yield Link(span=found.span(), text=found["text"], path=found["path"], place=place)


@cache
def symbols(path: Path) -> dict[str, Lines]:
    """Return the first and last line of everything in a module that has a name."""
    found: dict[str, Lines] = {}
    _collect(ast.parse(path.read_text("utf-8")).body, "", found)
    return found


def _collect(body: list[ast.stmt], prefix: str, found: dict[str, Lines]) -> None:
    for node, following in zip(body, [*body[1:], None]):
        first, last = node.lineno, node.end_lineno or node.lineno
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            first = min([first, *(decorator.lineno for decorator in node.decorator_list)])
            found[prefix + node.name] = (first, last)
            if isinstance(node, ast.ClassDef):
                _collect(node.body, f"{prefix}{node.name}.", found)
            continue
        if following is not None and _is_text(following):  # what is said of a field or constant
            last = following.end_lineno or last
        for name in _assigned(node):
            found[prefix + name] = (first, last)


def _assigned(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    return []


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def lines_of(path: Path, text: str) -> Lines | None:
    """Return the lines of the symbol that a link's text names, or None."""
    if path.suffix != ".py":
        return None
    name = text.removesuffix("()")
    known = symbols(path)
    for candidate in (name, name.removeprefix(f"{path.stem}.")):
        if candidate in known:
            return known[candidate]
    return None


def fragment(lines: Lines) -> str:
    """Return what stands after `#` for some lines."""
    first, last = lines
    return f"L{first}" if first == last else f"L{first}-L{last}"


def mended(page: Path, source: str) -> tuple[str, list[str]]:
    """Return a page with right line numbers, and what was wrong in it."""
    wrong: list[str] = []
    parts: list[str] = []
    end = 0
    for link in links(source):
        path = link.file(page)
        parts.append(source[end : link.span[0]])
        end = link.span[1]
        lines = lines_of(path, link.text) if path.is_file() else None
        place = link.place
        if not path.is_file():
            wrong.append(f"{link.path} does not exist")
        elif lines is None and place is not None:
            wrong.append(f"{link.text!r} names nothing in {link.path}")
        elif lines is not None and fragment(lines) != place:
            wrong.append(f"{link.text!r} is {fragment(lines)} of {link.path}, not {place}")
            place = fragment(lines)
        after = f"#{place}" if place else ""
        parts.append(f"[`{link.text}`]({link.path}{after})")
    return "".join([*parts, source[end:]]), wrong


def pages() -> list[Path]:
    """Return every page of the documentation, the front one included."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def main() -> int:
    """Check or mend all pages; returns the number of pages with wrong links."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="mend the links")
    write = parser.parse_args().write
    n_wrong = 0
    for page in pages():
        source = page.read_text("utf-8")
        better, wrong = mended(page, source)
        if write and better != source:
            page.write_text(better, "utf-8")
        if wrong:
            print(f"{page.relative_to(ROOT)}:", *wrong, sep="\n  ")
        n_wrong += bool(mended(page, better)[1] if write else wrong)
    return n_wrong


if __name__ == "__main__":
    sys.exit(main())
