"""The command line: one small module for each verb, loaded when it is asked for.

A verb's module has `run(argv) -> int`, the exit code. Stated errors are printed as one sentence;
`--debug`, anywhere in the line, shows the traceback instead.
"""

import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module

from rich.table import Table
from rich.text import Text

from bardling import __version__
from bardling.errors import BardlingError, UsageError, nearest
from bardling.machine.seat import seat
from bardling.machine.stop import Terminated, terminable
from bardling.reporting.screen import Screen, let_go, show_text

VERBS = {
    "train": ("bardling.cli.train", "train a model on a text, by a preset, or go on with a run"),
    "generate": ("bardling.cli.generate", "let a trained model write"),
    "evaluate": ("bardling.cli.evaluate", "measure a model's loss and perplexity on a text"),
    "data": ("bardling.cli.data", "count, clean and part a corpus; make stories, or check some"),
    "tokenizer": ("bardling.cli.tokenizer", "train, use, look into or compare tokenizers"),
    "check": ("bardling.cli.check", "check a run before it is made"),
    "ladder": ("bardling.cli.ladder", "measure what each part of a GPT is worth"),
    "sweep": ("bardling.cli.sweep", "train with any settings over any values, and compare"),
    "scale": ("bardling.cli.scale", "train sizes on budgets, and fit the law of their losses"),
    "probe": ("bardling.cli.probe", "look inside a model: words, attention, what comes next"),
    "finetune": ("bardling.cli.finetune", "let a trained model learn another text, or adapters"),
    "chat": ("bardling.cli.chat", "talk with a model that has learned to answer"),
    "serve": ("bardling.cli.serve", "serve models to OpenAI's clients, and to a browser"),
    "distill": ("bardling.cli.distill", "let a smaller model learn from a trained one"),
    "align": ("bardling.cli.align", "let a trained model prefer one answer to another (DPO)"),
    "export": ("bardling.cli.export", "write a model for transformers and others, and check it"),
    "import": ("bardling.cli.importing", "take in a GPT-2, Llama or Qwen3 that others trained"),
    "unpickle": ("bardling.cli.unpickle", "take weights out of a .pt file of someone you trust"),
    "presets": ("bardling.cli.presets", "show the named runs, their sizes and their memory"),
    "report": ("bardling.cli.report", "compare a run with counting and the floor; write its page"),
    "runs": ("bardling.cli.runs", "show the runs made so far"),
    "bench": ("bardling.cli.bench", "time training, writing, tokenizers and data on this machine"),
    "doctor": ("bardling.cli.doctor", "show what this machine can do and what a run will use"),
    "completion": ("bardling.cli.completion", "let the tab key complete verbs, options and runs"),
}

EXAMPLES = {
    "train": "my-novel.txt --budget 10m --name novel",
    "generate": 'novel --prompt "It was" --temperature 0.8 --seed 1',
    "evaluate": "novel --samples 20",
    "data": "clean my-notes/ --output clean.jsonl",
    "tokenizer": "train my-notes/ --size 8000 --output tokens",
    "check": "my-novel.txt",
    "ladder": "--remove",
    "sweep": "shakespeare --vary model.n-head=1,3,6 --budget 200steps",
    "scale": "stories",
    "probe": "novel --words king,crown",
    "finetune": "demo my-novel.txt --adapter lora --name novel",
    "chat": "helper",
    "serve": "demo",
    "distill": "demo --layers 2",
    "align": "demo pairs.jsonl --adapter lora",
    "export": "novel --to gguf --quantization q8_0",
    "import": "hf:Qwen/Qwen3-0.6B --block-size 1024",
    "unpickle": "ckpt.pt weights.safetensors --trust",
    "presets": "seed-003-tiny",
    "report": "novel other",
    "runs": "",
    "bench": "train shakespeare",
    "doctor": "--json",
    "completion": "bash",
}
"""What may stand after each verb; its --help ends with that."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; see errors.py for the codes."""
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    _show_every_character()
    if os.environ.get("NO_COLOR"):
        os.environ.setdefault("PYTHON_TYRO_ANSI_CODES", "False")  # rich sees to itself, tyro not
    try:
        with terminable(), _own_imports():
            code = _dispatch(words)
        sys.stdout.flush()
        return code
    except BardlingError as error:
        if debug:
            raise
        if seat().speaks or not error.by_all:
            _complain(str(error))
        return error.exit_code
    except KeyboardInterrupt as stop:
        if debug:
            raise
        if seat().speaks:
            _complain("stopped at once; what was saved before stays")
        return 143 if isinstance(stop, Terminated) else 130
    except BrokenPipeError:
        let_go(sys.stdout.fileno)  # whoever read our output has gone; there is nobody to tell
        return 0


@contextmanager
def _own_imports() -> Iterator[None]:
    """Let processes that are started within import nothing from the folder they are started in."""
    before = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        yield
    finally:
        os.environ.pop("PYTHONSAFEPATH")
        os.environ.update({} if before is None else {"PYTHONSAFEPATH": before})


def _dispatch(words: list[str]) -> int:
    foreign = [word for word in words if _is_no_text(word)]
    if foreign:
        raise UsageError(
            f"'{foreign[0]}' is not UTF-8, so it cannot be written into a run; give the file "
            "another name"
        )
    if not words or words[0] in ("-h", "--help", "help"):
        _overview()
        return 0
    if words[0] == "--version":
        Screen().print(f"bardling {__version__}")
        return 0
    verb, *rest = words
    if verb not in VERBS:
        raise UsageError(
            f"'{verb}' is no verb of bardling{nearest(verb, VERBS)}; there are {', '.join(VERBS)}"
        )
    run = import_module(VERBS[verb][0]).run
    helped = rest[:1] in (["-h"], ["--help"])
    try:
        code = int(run(rest))
    except SystemExit as stop:  # tyro ends --help and wrong usage this way
        code, helped = int(stop.code or 0), True
    if helped and code == 0:
        _example(verb, rest)
    return code


def _is_no_text(word: str) -> bool:
    """Whether a word holds bytes that no character stands for, as names of files may."""
    return any("\ud800" <= letter <= "\udfff" for letter in word)


def _example(verb: str, rest: Sequence[str]) -> None:
    """End a help with an example, unless that is of another part of the verb."""
    parted = import_module("bardling.cli.options").PARTED
    part = EXAMPLES[verb].split(" ")[0]
    if verb not in parted or rest[0] in (part, "-h", "--help"):
        show_text(f"\nexample: {f'bardling {verb} {EXAMPLES[verb]}'.rstrip()}\n")


def _show_every_character() -> None:
    """Let a terminal that lacks a character show its code, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _complain(message: str) -> None:
    message = "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in message)
    Screen(stderr=True).print(Text.assemble(("bardling:", "red"), " ", message))


def _overview() -> None:
    screen = Screen()
    screen.print(
        Text.assemble(("bardling", "bold"), " turns any text into a small language model.\n\n")
        + Text(
            "  bardling train shakespeare --budget 600steps --name will\n"
            '  bardling generate will --prompt "ROMEO:"\n'
        )
    )
    table = Table(box=None, show_header=False, padding=(0, 2))
    for verb, (_, about) in VERBS.items():
        table.add_row(Text(verb, "bold"), about)
    screen.print(table, soft_wrap=False)
    screen.print(
        Text.assemble(
            *("\n", ("bardling VERB --help", "bold"), " tells all about one of them; "),
            *(("--debug", "bold"), " shows where an\nerror came from."),
        )
    )
