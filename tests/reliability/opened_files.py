"""A child of the tests of row 23: tries names that lead elsewhere, and tells what was opened.

    python opened_files.py FOLDER

FOLDER holds `inside`, which is named to the package, and `outside`, which is not. Everything that
is opened is heard by an audit hook; what lies in `outside`, or is opened for writing but not below
`inside`, is told as JSON, with the outcome of each try.
"""

import json
import os
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import bardling
from bardling.data.corpora import load_corpus
from bardling.data.hub import HubFile, fetch, find_files, hub_set
from bardling.data.token_folder import Index, write_index, write_split
from bardling.errors import BardlingError
from bardling.run_folder import new_run
from bardling.text.characters import CharacterTokenizer
from bardling.text.tokenizer_file import save_tokenizer
from imitated_hub import HUB, MAIN, TRAIN, served
from tiny import SETTINGS, write_text

TOKENIZER = CharacterTokenizer(characters="abcdefghij")
IDS = np.arange(200, dtype=np.uint32) % 10
QUICK = SETTINGS | {"n_layer": 1, "budget": "2steps"}
UP = "../../outside/train-00000.bin"

HUB_WORDS = (
    "hf:../outside", "hf:ann/..", "hf:../../outside", "hf:/etc/passwd", "hf:ann/../../outside",
    "hf:ann/plays/../../outside", "hf:ann/plays//etc", "hf:ann/plays@../../outside",
    "hf:ann/plays@refs/convert/../../x", "hf:ann/pl\0ays", "hf:ann/plays:../x", "hf:ann/.hidden",
)  # fmt: skip
RUN_NAMES = (
    "../up", "..", ".", "/abs", "a/../../b", "a/b", "a\\b", "a\0b", ".hidden", "-x", "a\n", "",
)  # fmt: skip
HUB_PATHS = (
    "../../../../../outside/evil.parquet", "/evil.parquet", "a/../../evil.parquet", "a\\..\\b.txt",
    "a\0.txt", "./a.txt", "..", "a//b.txt",
)  # fmt: skip


class Ears:
    """Hears what is opened from now on."""

    def __init__(self, folder: Path) -> None:
        self.inside, self.outside = (str(folder / name) + "/" for name in ("inside", "outside"))
        self.heard: list[str] = []
        sys.addaudithook(self.hear)

    def hear(self, event: str, words: tuple) -> None:
        if event != "open" or not isinstance(words[0], str | bytes):
            return
        path = os.path.realpath(os.fsdecode(words[0]))
        mode, flags = words[1], words[2]
        writes = bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC))
        elsewhere = not path.startswith((self.inside, "/dev/", "/proc/"))
        if path.startswith(self.outside) or (elsewhere and writes):
            self.heard.append(f"{path} {mode} {flags}")

    def during(self, act) -> dict:
        """Tell what an act opened where it should not, and how it ended."""
        self.heard = []
        try:
            act()
            said = "taken"
        except BardlingError as error:
            said = f"{type(error).__name__}: {error}"
        opened, self.heard = self.heard, []
        return {"opened": opened, "said": said}


def write_tokens_folder(folder: Path) -> Path:
    shards = {s: write_split(folder, s, [IDS], TOKENIZER) for s in ("train", "val")}
    write_index(folder, Index(tokenizer_sha256=TOKENIZER.sha256, shards=shards))
    save_tokenizer(TOKENIZER, folder)
    return folder


def index_tries(folder: Path, ears: Ears):
    """Try an index with names that lead to a file that would fit in every other respect."""
    outside = folder / "outside"
    names = {
        "up": UP, "far up": "../" * 30 + str(outside)[1:] + "/train-00000.bin",
        "absolute": str(outside / "train-00000.bin"), "dots": "..", "dot": ".", "nothing": "",
        "below": "x/train-00000.bin", "nul": "train-00000.bin\0", "there and back": "a/../" + UP,
    }  # fmt: skip
    for number, (what, name) in enumerate(names.items()):
        corpus = write_tokens_folder(folder / "inside" / f"tokens-{number}")
        path = corpus / "index.json"
        index = json.loads(path.read_text())
        for split in ("train", "val"):
            index["splits"][split][0]["file"] = name
        path.write_text(json.dumps(index))
        settings = QUICK | {"name": f"index-{number}", "runs_dir": folder / "inside" / "runs"}
        yield f"index {what}", ears.during(partial(bardling.train, corpus, **settings))


def run_tries(folder: Path, ears: Ears):
    """Try a run whose settings name files elsewhere: what it needs lies in its own folder."""
    runs = folder / "inside" / "runs"
    text = write_text(folder / "outside")
    words = folder / "outside" / "words"
    save_tokenizer(CharacterTokenizer.train([text.read_text()]), words)
    settings = QUICK | {"name": "honest", "runs_dir": runs, "tokenizer": str(words)}
    run = bardling.train(text, **settings).folder
    yield "run loaded", ears.during(lambda: bardling.load(run.path).generate("a", max_new_tokens=3))
    run.result_path.unlink()
    yield "run resumed", ears.during(lambda: bardling.api.train_config(None, resume=run.path))
    for name in RUN_NAMES:
        yield f"run name {name!r}", ears.during(partial(new_run, name, "x", runs))


def hub_tries(folder: Path, ears: Ears):
    """Try words and lists of a hub that lead out of its cache."""
    for word in HUB_WORDS:
        yield f"word {word!r}", ears.during(partial(load_corpus, word, data_dir=folder / "inside"))
    with pytest.MonkeyPatch.context() as patch, served(patch, folder / "inside") as server:
        for path in HUB_PATHS:
            server.trees[MAIN] = {path: TRAIN, "good.parquet": TRAIN}
            yield (
                f"list {path!r}",
                ears.during(lambda: [fetch(file) for file in find_files(HUB).train]),
            )
        given = {"hub": hub_set("hf:ann/plays"), "revision": "main", "n_bytes": 1, "path": "a.txt"}
        for hashes in (
            {"commit": "../" * 9 + "outside", "sha256": None, "git_sha1": None},
            {"commit": MAIN, "sha256": "../" * 9 + "outside/x", "git_sha1": None},
            {"commit": MAIN, "sha256": None, "git_sha1": "../x"},
        ):
            yield f"hash {hashes}", ears.during(partial(HubFile, **given, **hashes))


def main(folder: Path) -> None:
    ears = Ears(folder)
    found = {"control": ears.during(lambda: (folder / "outside" / "secret.txt").read_text())}
    for tries in (index_tries, run_tries, hub_tries):
        found |= dict(tries(folder, ears))
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
