"""Who looks inside the served models, and what each of them is."""

from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any
from weakref import WeakValueDictionary

from bardling import storage
from bardling.errors import BardlingError, UsageError
from bardling.fields import show
from bardling.model.size import count_parameters
from bardling.serving.following import listed
from bardling.serving.looking import Looker, kind_of
from bardling.serving.models import Models, Served
from bardling.serving.questions import MOST_TOKENIZERS
from bardling.serving.words import Words
from bardling.text.tokenizer import Tokenizer
from bardling.text.tokenizer_file import FILE, load_tokenizer

KEPT_FILES = 256
"""Of runs whose tokenizers are kept in memory, once for all that have the same."""
_distinct = WeakValueDictionary[str, Tokenizer]()


def describe(served: Served) -> dict[str, Any]:
    """Return what a served model is."""
    run = served.run
    model = run.config.model
    return {
        "name": served.name,
        "run": run.folder.name,
        "step": run.step,
        "steps": run.folder.steps(),
        "tokenizer": kind_of(run.tokenizer),
        "vocab_size": model.vocab_size,
        "block_size": model.block_size,
        "n_layer": model.n_layer,
        "n_head": model.n_head,
        "n_embd": model.n_embd,
        "attention": model.attention,
        "parameters": count_parameters(model).total,
        "end_token": run.tokenizer.end_token,
        "corpus": Path(run.config.data.corpus).name,
        "chat": bool(run.config.chat),
    }


class Insides:
    """Who looks inside the served models, one for each, made when it is first asked."""

    def __init__(self, models: Models) -> None:
        self._models, self._lock = models, Lock()
        self._known: dict[str, tuple[Looker, Words]] = {}

    def looker(self, name: str | None) -> Looker:
        """Return who looks inside a model."""
        return self._of(name)[0]

    def words(self, name: str | None) -> Words:
        """Return the words of a model."""
        return self._of(name)[1]

    def _of(self, name: str | None) -> tuple[Looker, Words]:
        served = self._models.get(name)
        with self._lock:
            if served.name not in self._known:
                looker = Looker(served.run)
                self._known[served.name] = looker, Words(looker)
            return self._known[served.name]


@lru_cache(maxsize=KEPT_FILES)
def _loaded(folder: Path, changed_ns: int) -> Tokenizer:
    """Return the tokenizer of a run as it was at a time; runs with the same share it."""
    tokenizer = load_tokenizer(folder)
    return _distinct.setdefault(tokenizer.sha256, tokenizer)


def tokenizers(
    models: Models, runs_dir: Path, names: list[str]
) -> list[tuple[list[str], Tokenizer]]:
    """Return tokenizers with the models and runs that have them; those named, or all.

    Once there are as many as are shown, the rest is not looked at.
    """
    found: dict[str, tuple[list[str], Tokenizer]] = {}
    served = {one.name: one.run.tokenizer for one in models}
    runs = listed(runs_dir, ())
    for name in names or dict.fromkeys((*served, *runs)):
        if name in served:
            tokenizer = served[name]
        elif name in runs and (changed := storage.changed_ns(runs[name].path / FILE)) is not None:
            try:
                tokenizer = _loaded(runs[name].path.absolute(), changed)
            except BardlingError:
                continue
        elif names:
            raise UsageError(f"no model or run here is called {show(name)}")
        else:
            continue
        found.setdefault(tokenizer.sha256, ([], tokenizer))[0].append(name)
        if len(found) == MOST_TOKENIZERS:
            break
    return list(found.values())
