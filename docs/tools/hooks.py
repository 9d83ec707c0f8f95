"""What mkdocs does to the pages that a code host shows as they are.

- A link to lines of code becomes a link into a copy of that file inside the site, and the lines
  themselves stand, folded, under the paragraph that speaks of them. So the site is whole offline.
- Answers in `<details>` are read as Markdown.
- A link that leaves `docs/` for anything that is not code becomes plain text.
- The navigation is the course in its order, the guide, and the rest.
"""

import os
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

from lines import CODE, ROOT, Link, lines_of, links

DOCS = ROOT / "docs"
LEAVES = re.compile(r"(?<!!)\[(?P<text>[^\]]+)\]\((?P<path>\.\.?/[^)#\s]*)(?:#[^)]*)?\)")
WORDS = re.compile(r"(?m)^(```(?:console|python|text)) .*$")
FENCE = re.compile(r"^(```|~~~)")
LANGUAGES = {".py": "python", ".cpp": "cpp", ".h": "cpp", ".toml": "toml"}
GROUPS = {"course": "The course", "guide": "Guide", "reference": "Reference"}
REST = {
    "results.md": "Results",
    "performance.md": "Speed",
    "reliability.md": "Reliability",
    "scale.md": "Several machines",
    "life.md": "After training",
    "serving.md": "Serving",
    "playground.md": "The page",
    "peers.md": "Beside others",
    "decisions.md": "Decisions",
}


def on_config(config: Any) -> Any:
    """Write the navigation down from the pages there are."""
    entries: list[Any] = [{"Start here": "index.md"}]
    for folder, title in GROUPS.items():
        found = sorted(p.relative_to(DOCS).as_posix() for p in (DOCS / folder).glob("*.md"))
        found.sort(
            key=lambda name: (not name.endswith("index.md"), not name.split("/")[1][0].isdigit())
        )
        if found:
            entries.append({title: found})
    others = sorted(p.name for p in DOCS.glob("*.md") if p.name not in {"index.md", *REST})
    entries.append({"Measured and decided": [{t: n} for n, t in REST.items()] + others})
    config["nav"] = entries
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add a page for each file of code that some page links to."""
    wanted: set[Path] = set()
    for page in DOCS.rglob("*.md"):
        wanted |= {link.file(page) for link in links(page.read_text("utf-8"))}
    for path in sorted(wanted):
        if path.is_file():
            files.append(File.generated(config, _copy(path), content=_whole(path)))
    return files


def _copy(path: Path) -> str:
    return f"source/{path.relative_to(ROOT).as_posix()}.md"


def _whole(path: Path) -> str:
    name, language = path.relative_to(ROOT), LANGUAGES[path.suffix]
    code = path.read_text("utf-8").rstrip("\n")
    return (
        f"---\nsearch:\n  exclude: true\nhide: [navigation, toc]\n---\n# {name.as_posix()}\n\n"
        f'````{language} linenums="1"\n{code}\n````\n'
    )


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Bring the code to the page."""
    if page.file.src_uri.startswith("source/"):
        return markdown
    here = DOCS / page.file.src_uri
    markdown = markdown.replace("<details>", '<details markdown="1">')
    markdown = WORDS.sub(r"\1", markdown)  # those are for docs/tools/blocks.py
    parts, shown = [], set[str]()
    for chunk in _chunks(markdown):
        if FENCE.match(chunk):
            parts.append(chunk)
            continue
        linked, blocks = _brought(chunk, here, shown)
        parts.append(linked)
        parts += blocks
    return "\n\n".join(parts) + "\n"


def _chunks(markdown: str) -> list[str]:
    """Cut a page into paragraphs, lists, tables, answers and fenced blocks."""
    found: list[list[str]] = [[]]
    fence, depth = "", 0
    for line in markdown.split("\n"):
        opened = FENCE.match(line)
        depth += line.count("<details") - line.count("</details>")
        if opened and not fence:
            fence = opened[1]
            if not depth and found[-1]:
                found.append([])
        elif opened and fence == opened[1]:
            fence = ""
        if line or fence or depth:
            found[-1].append(line)
        elif found[-1]:
            found.append([])
    return ["\n".join(lines) for lines in _lists_joined(found) if lines]


def _lists_joined(chunks: list[list[str]]) -> list[list[str]]:
    """Put the items of a list, and what is indented under them, back together."""
    found: list[list[str]] = []
    item = re.compile(r"\s*([-*]|\d+\.) ")
    for chunk in filter(None, chunks):
        goes_on = chunk[0].startswith("  ") or item.match(chunk[0])
        if found and goes_on and item.match(found[-1][0]):
            found[-1] += ["", *chunk]
        else:
            found.append(chunk)
    return found


def _brought(chunk: str, here: Path, shown: set[str]) -> tuple[str, list[str]]:
    """Return a chunk with links inside the site, and the code it speaks of, folded."""
    parts: list[str] = []
    blocks: list[str] = []
    end = 0
    for link in links(chunk):
        path = link.file(here)
        parts.append(chunk[end : link.span[0]])
        end = link.span[1]
        if not path.is_file():  # docs/tools/lines.py says so
            parts.append(f"`{link.text}`")
            continue
        lines = lines_of(path, link.text)
        target = os.path.relpath(DOCS / _copy(path), here.parent).replace(os.sep, "/")
        anchor = f"#__codelineno-0-{lines[0]}" if lines else ""
        parts.append(f"[`{link.text}`]({target}{anchor})")
        key = f"{path}{lines}"
        if lines and key not in shown:
            shown.add(key)
            blocks.append(_folded(link, path, lines))
    return _without_exits("".join([*parts, chunk[end:]]), here), blocks


def _folded(link: Link, path: Path, lines: tuple[int, int]) -> str:
    first, last = lines
    code = path.read_text("utf-8").splitlines()[first - 1 : last]
    title = f"{link.text} · {path.relative_to(ROOT).as_posix()}, lines {first} to {last}"
    inner = "\n".join(f"    {line}".rstrip() for line in code)
    language = LANGUAGES[path.suffix]
    return f'??? quote "{title}"\n    ````{language} linenums="{first}"\n{inner}\n    ````'


def _without_exits(chunk: str, here: Path) -> str:
    """Turn links that leave `docs/` into what they say."""

    def inside(found: re.Match[str]) -> str:
        path = Path(os.path.normpath(here.parent / found["path"]))
        is_code = path.suffix in CODE or (path.name.endswith(".md") and DOCS in path.parents)
        return found[0] if DOCS in path.parents or is_code else found["text"]

    return LEAVES.sub(inside, chunk)
