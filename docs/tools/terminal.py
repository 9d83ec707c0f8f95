"""Takes a picture of a command in a terminal: it is run in a real one, and what it shows is kept.

    python docs/tools/terminal.py docs/assets/demo.svg -- make demo

The picture is an SVG of rich's, without the fonts that it would fetch from elsewhere.
"""

import argparse
import os
import pty
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

FONT_FACE = re.compile(r"@font-face\s*{[^}]*}\s*")
MOVES = re.compile(r"\x1b(\[[0-9;?]*[A-HJKSTfhlsu]|\][^\x07]*\x07)")
"""What moves the cursor or names the window; colours end in m and stay."""
UP, ERASED = "\x1b[1A", "\x1b[2K"


def shown(command: list[str], columns: int) -> str:
    """Run a command in a terminal of so many columns; return what it showed, colours too."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(COLUMNS=str(columns), TERM="xterm-256color")
        os.execvp(command[0], command)
    said = bytearray()
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # Linux's way of saying that nobody is at the other end any more
            break
        if not part:
            break
        said += part
        sys.stderr.buffer.write(part)
        sys.stderr.flush()
    os.waitpid(pid, 0)
    return settled(said.decode("utf-8"))


def settled(said: str) -> str:
    """Return what stays on the screen: no status that came and went, and no bar that was erased."""
    lines: list[str] = []
    for line in said.replace("\r\n", "\n").split("\n"):
        lines = lines[: len(lines) - line.count(UP)]
        last = line.rsplit("\r", 1)[-1].rsplit(ERASED, 1)[-1]
        lines.append(MOVES.sub("", last))
    return "\n".join(lines)


def picture(screen: str, *, title: str, columns: int) -> str:
    """Return an SVG of a terminal that shows a screen."""
    with Path(os.devnull).open("w") as nowhere:
        console = Console(
            record=True, width=columns, file=nowhere, force_terminal=True, color_system="truecolor"
        )
        console.print(Text.from_ansi(screen.strip("\n")))
        drawn = console.export_svg(title=title, theme=MONOKAI)
    return FONT_FACE.sub("", drawn)


def main() -> int:
    """Run the command, draw what it showed, and return 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("output", type=Path, help="the SVG")
    parser.add_argument("--columns", type=int, default=100)
    parser.add_argument("--title", default="", help="what stands at the top; else the command")
    parser.add_argument("command", nargs="+")
    asked = parser.parse_args()
    screen = shown(asked.command, asked.columns)
    title = asked.title or " ".join(asked.command)
    asked.output.write_text(picture(screen, title=title, columns=asked.columns), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
