"""The package needs what it says it needs, and everything is pinned.

A child imports every module, trains and writes where no library can be found but those that the
base install brings.
"""

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest

from together import UNTRACED

ROOT = Path(__file__).parents[2]
NOT_INSTALLED = {"export", "track", "compare", "docs", "release"}
"""Extras that neither the Makefile nor CI installs, and so nobody has pinned."""
DANGEROUS = {
    "torch": ("2.5.1", "2.9.1"),  # CVE-2025-32434, CVE-2026-24747
    "pyarrow": ("14.0.0",),  # CVE-2023-47248
}
"""Versions that no range may allow."""

CHILD = """
import json, sys
from importlib import import_module
from importlib.machinery import PathFinder
from pathlib import Path
from pkgutil import walk_packages

folder, lacking, asked_for = Path(sys.argv[1]), set(sys.argv[2:]), []

def find_spec(name, path=None, target=None):
    if name.partition(".")[0] not in lacking:
        return PathFinder.find_spec(name, path, target)
    frame = sys._getframe(1)
    while frame is not None and "importlib" in frame.f_globals.get("__name__", "importlib"):
        frame = frame.f_back
    asking = "" if frame is None else frame.f_globals["__name__"]
    if asking.startswith("bardling"):
        asked_for.append(f"{name} by {asking}")
    return None

only = type("Only", (PathFinder,), {"find_spec": staticmethod(find_spec)})
sys.meta_path[:] = [only if finder is PathFinder else finder for finder in sys.meta_path]

import bardling
from tiny import SETTINGS, write_text

for found in walk_packages(bardling.__path__, "bardling."):
    if not found.name.endswith("__main__") and not found.name.startswith("bardling.serving."):
        import_module(found.name)
run = bardling.train(write_text(folder), name="x", runs_dir=folder, **SETTINGS)
text = run.generate("one", max_new_tokens=5)
loaded = {name.partition(".")[0] for name in sys.modules}
print(json.dumps({"text": text, "loaded": sorted(loaded), "asked_for": asked_for}))
"""


def requirements() -> dict[str, list[str]]:
    """Return those of pyproject.toml: of the base, of its build and of each extra."""
    found = tomllib.loads((ROOT / "pyproject.toml").read_text())
    base = {"base": found["project"]["dependencies"], "build": found["build-system"]["requires"]}
    return base | found["project"]["optional-dependencies"]


def lines_of_constraints() -> list[str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def pins() -> dict[str, str]:
    """Return the version of each library in constraints.txt."""
    pairs = (line.split("==") for line in lines_of_constraints())
    return {canonical(name): version for name, version in pairs}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def parsed(words: str):
    return pytest.importorskip("packaging.requirements").Requirement(words)


def brought_by(words: list[str]) -> set[str]:
    """Return the libraries that some requirements bring, with all that these need."""
    found: set[str] = set()
    waiting = list(words)
    while waiting:
        requirement = parsed(waiting.pop())
        name = canonical(requirement.name)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        if name != "bardling" and name not in found:
            found.add(name)
            try:
                waiting += requires(name) or []
            except PackageNotFoundError:
                pytest.skip(f"{name} is not installed")
    return found


def test_every_line_of_the_constraints_pins_one_library_to_one_version():
    for line in lines_of_constraints():
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*==[0-9][0-9A-Za-z.]*", line), line
    assert len(pins()) == len(lines_of_constraints())


@pytest.mark.parametrize("group", requirements())
def test_every_requirement_is_pinned_within_its_range(group):
    for words in requirements()[group]:
        requirement = parsed(words)
        name = canonical(requirement.name)
        if name != "bardling":
            assert requirement.specifier, f"{words} has no lower bound"
            assert group in NOT_INSTALLED or name in pins(), f"{words} is not pinned"
            assert name not in pins() or pins()[name] in requirement.specifier, words


def test_whatever_the_pinned_libraries_need_is_pinned():
    groups = requirements()
    words = [one for group in groups.keys() - NOT_INSTALLED - {"build"} for one in groups[group]]
    assert brought_by(words) <= pins().keys()


def test_no_range_allows_a_version_that_is_known_to_be_dangerous():
    for words in (one for group in requirements().values() for one in group):
        requirement = parsed(words)
        for version in DANGEROUS.get(canonical(requirement.name), ()):
            assert version not in requirement.specifier, words


def test_the_base_install_is_enough_to_train_and_to_write(tmp_path):
    there = brought_by(requirements()["base"])
    groups = requirements().items()
    extras = {canonical(parsed(one).name) for group, of in groups if group != "base" for one in of}
    owners = {
        module: set(map(canonical, names)) for module, names in packages_distributions().items()
    }
    lacking = {module for module, names in owners.items() if not names & (there - extras)}
    lacking.discard("bardling")
    assert {"matplotlib", "transformers", "pyarrow", "huggingface_hub"} <= lacking
    tests = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path), *lacking],
        capture_output=True, text=True, timeout=300,
        env=UNTRACED | {"PYTHONPATH": os.pathsep.join([str(tests), *sys.path])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert found["text"] and {"torch", "numpy", "safetensors"} <= set(found["loaded"])
    assert not lacking & set(found["loaded"])
    assert found["asked_for"] == []
