"""`bardling chat RUN`: a conversation in the terminal, with a model that has learned to answer."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import tyro

import bardling
from bardling.cli.options import Folder, Word, parse
from bardling.errors import GenerationError
from bardling.reporting.screen import Screen, complain, show_text
from bardling.run_folder import find_run, runs_folder
from bardling.text.chat import ANSWERS, Message

if TYPE_CHECKING:
    from bardling.trained import Run

LEAVING = ("/bye", "/quit", "/exit")
ANEW = "/new"


@dataclass(frozen=True, kw_only=True)
class ChatArguments:
    """Talk with a model. A line is a message; /new forgets the conversation, /bye ends it."""

    run: tyro.conf.Positional[str]
    """A run that has learned conversations, by name or path."""
    message: Word = None
    """Ask this alone, print the answer, and stop."""
    system: Word = None
    """What the model is told before the conversation."""
    max_new_tokens: int = 200
    """Most tokens of an answer."""
    temperature: float = 0.8
    """Below 1 bolder in what is likely, above 1 wilder; 0 always takes the likeliest token."""
    top_k: int = 0
    """Choose among this many likeliest tokens; 0 is off."""
    top_p: float = 1.0
    """Choose among the likeliest tokens that have this probability together."""
    seed: int = 0
    """Decides what is drawn; answer i draws from seed + i."""
    checkpoint: str = "best"
    """best, last or a step."""
    runs_dir: Folder = None
    """Where runs are looked for by name: else BARDLING_RUNS, else ./runs."""


def run(argv: Sequence[str]) -> int:
    """Parse the options and talk until the input ends."""
    arguments = parse(ChatArguments, argv, prog="bardling chat")
    folder = find_run(arguments.run, runs_folder(arguments.runs_dir))
    loaded = bardling.load(folder.path, arguments.checkpoint, note=complain)
    begin = [Message("system", arguments.system)] if arguments.system else []
    said = list(begin)
    if arguments.message is not None:
        _answer(loaded, [*said, Message("user", arguments.message)], arguments, 0)
        return 0
    screen, turn = Screen(), 0
    if sys.stdin.isatty():
        screen.print(f"{folder.name}, step {loaded.step}; {ANEW} begins anew, /bye ends\n")
    while (line := _asked()) is not None:
        if line == ANEW:
            said = list(begin)
        elif line:
            said.append(Message("user", line))
            try:
                said.append(Message(ANSWERS, _answer(loaded, said, arguments, turn)))
            except GenerationError as error:
                complain(str(error))
                said.pop()
            turn += 1
    return 0


def _asked() -> str | None:
    """Return the next line, or None where the conversation is over."""
    if sys.stdin.isatty():
        show_text("> ")
    line = sys.stdin.readline()
    return None if not line or line.strip() in LEAVING else line.strip()


def _answer(loaded: "Run", said: Sequence[Message], arguments: ChatArguments, turn: int) -> str:
    """Show an answer as it is written, and return it; say what has gone out of the context."""
    text = ""
    for piece in bardling.answer(
        loaded,
        said,
        max_new_tokens=arguments.max_new_tokens,
        temperature=arguments.temperature,
        top_k=arguments.top_k,
        top_p=arguments.top_p,
        seed=arguments.seed + turn,
        note=complain,
    ):
        show_text(piece)
        text += piece
    show_text("\n")
    return text
