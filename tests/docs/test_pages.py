"""The pages themselves: the tree, the pictures, the form of the course, the site."""

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

import blocks
import pictures
import tree

DOCS = Path(tree.__file__).parents[1]
COURSE = DOCS / "course"
STAGES = sorted(COURSE.glob("[0-9][0-9]-*.md"))
PARTS = [
    "The idea",
    "The code",
    "Try it",
    "What goes wrong and how you see it",
    "Exercises",
    "Where from",
]
SVG = "{http://www.w3.org/2000/svg}"


def test_the_lists_say_what_code_and_pages_say():
    assert tree.outdated() == {}


def test_pictures_are_as_they_would_be_drawn():
    assert pictures.differing().keys() == set()


@pytest.mark.parametrize("path", sorted(pictures.FOLDER.glob("*.svg")), ids=lambda p: p.name)
def test_pictures_can_be_read(path: Path):
    picture = ElementTree.parse(path).getroot()
    title = picture.find(f"{SVG}title")
    assert title is not None and title.text
    assert "prefers-color-scheme:dark" in path.read_text()
    assert not list(picture.iter(f"{SVG}image"))
    width = float(picture.attrib["viewBox"].split()[2])
    words = list(picture.iter(f"{SVG}text"))
    assert all(float(text.attrib["font-size"]) >= 10 for text in words)
    assert all(0 <= float(text.attrib["x"]) <= width for text in words)
    shown = [page for page in DOCS.rglob("*.md") if f"pictures/{path.name}" in page.read_text()]
    assert shown, "some page shows it"


@pytest.mark.parametrize("page", STAGES, ids=lambda p: p.stem)
def test_stages_have_their_parts(page: Path):
    source = page.read_text()
    assert source.startswith(f"# {int(page.name[:2])}. ")
    assert [part.replace(",", "") for part in re.findall(r"(?m)^## (.+)$", source)] == PARTS
    assert re.search(r"!\[[^\]]{20,}\]\(pictures/[\w-]+\.svg\)", source), "a picture, and its words"
    assert source.count("<details>") == source.count("</details>") >= 2
    assert page.name in (COURSE / "index.md").read_text()


@pytest.mark.parametrize("page", sorted(COURSE.glob("*.md")), ids=lambda p: p.stem)
def test_experiments_are_recorded(page: Path):
    for block in blocks.blocks(page.read_text()):
        if block.kind == "console":
            assert blocks.commands(block.body)
        if block.text is not None:
            assert block.text["body"].strip()


def test_the_site_is_whole(tmp_path: Path):
    pytest.importorskip("material")
    site = tmp_path / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(site)]
    done = subprocess.run(command, cwd=DOCS.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    fetched = re.compile(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="?(?:https?:)?//')
    assert not [page for page in site.rglob("*.html") if fetched.search(page.read_text())]
