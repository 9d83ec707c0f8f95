"""Pictures of every view of the page, in light and dark and at three widths, for docs/playground.

    python benchmarks/screens.py narrow@0 narrow@100 narrow@300 demo helper --runs-dir runs

serves these runs and drives the page with chromium as a reader would: the first run without an `@`
is looked at, the first that answers is talked with. Each picture is as high as what it shows, and
Pillow writes it. At the end it says how much was transferred and when the page was first painted.
"""

import argparse
import io
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

OUT = Path(__file__).parent.parent / "docs" / "playground"
WIDTHS = (360, 768, 1280)
THEMES = ("light", "dark")
VIEWS = ("write", "attention", "embeddings", "tokenizer", "compare", "training", "chat")
PROMPT = "When geese could read there was"
QUESTION = "Tell me about the owl."
SHORT_HEIGHT, MOST_HEIGHT = 800, 2600
COLOURS = 128  # of a picture, which without loss is then smaller than with
LOADS = 5


@contextmanager
def served(runs: list[str], folder: Path) -> Iterator[str]:
    """Serve runs while the block lasts; gives the address."""
    words = [sys.executable, "-m", "bardling", "serve", *runs, "--port", "0"]
    child = subprocess.Popen([*words, "--runs-dir", str(folder)], stdout=subprocess.PIPE, text=True)
    try:
        for line in child.stdout:
            if line.strip().startswith("page"):
                yield line.split()[-1]
                return
        raise SystemExit("the server did not begin")
    finally:
        child.terminate()
        child.wait()


def written(page: Page, name: str) -> None:
    """Wait until a button is there again, which is when the text has been written."""
    page.wait_for_timeout(200)
    page.get_by_role("button", name=name).wait_for()


def write(page: Page) -> None:
    """Let the model write."""
    page.locator("#write-prompt").fill(PROMPT)
    page.get_by_role("button", name="Write", exact=True).click()
    written(page, "Go on")


def chat(page: Page) -> None:
    """Ask something, of a model that answers if there is one."""
    other = page.get_by_role("button", name="Talk with")
    if other.count():
        other.click()
    if not page.locator("#chat-input").is_visible():
        return
    page.locator("#chat-input").fill(QUESTION)
    page.keyboard.press("Enter")
    written(page, "Again")


def attend(page: Page) -> None:
    """Look at the last head."""
    page.locator("#attention-heads button").last.click()
    page.locator("#attention-told li").first.wait_for()


def embed(page: Page) -> None:
    """Look around a word, and solve an analogy."""
    page.locator("#embeddings-near li").first.wait_for()
    page.get_by_role("button", name="to …").click()
    page.locator("#analogy-answers li").first.wait_for()


def compare(page: Page) -> None:
    """Let all of them write."""
    page.locator("#compare-max_tokens").fill("64")
    page.locator("#compare-prompt").fill(PROMPT)
    page.get_by_role("button", name="Write side by side").click()
    written(page, "Write side by side")


def train(page: Page) -> None:
    """Lay three runs over each other."""
    page.locator(".run-list input").first.wait_for()
    for box in page.locator(".run-list .run:not([data-state=damaged]) input").all()[2::-1]:
        box.check()
    page.locator(".chart .val").first.wait_for()
    page.wait_for_timeout(1200)


DEEDS = {"write": write, "chat": chat, "attention": attend, "embeddings": embed,
         "tokenizer": lambda page: page.locator(".piece").first.wait_for(),
         "compare": compare, "training": train}  # fmt: skip


def shoot(page: Page, path: Path, width: int) -> None:
    """Take a picture of all there is to see."""
    page.mouse.move(width - 2, 2)
    page.evaluate("document.activeElement.blur()")
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": width, "height": min(height, MOST_HEIGHT)})
    page.wait_for_timeout(200)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    flat = picture.quantize(COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    flat.convert("RGB").save(path, lossless=True, quality=100, method=6)
    page.set_viewport_size({"width": width, "height": SHORT_HEIGHT})


def pictures(browser: Browser, url: str, model: str) -> None:
    """Take all pictures."""
    for theme in THEMES:
        for width in WIDTHS:
            context = browser.new_context(
                viewport={"width": width, "height": SHORT_HEIGHT},
                color_scheme=theme,
                reduced_motion="reduce",
            )
            page = context.new_page()
            page.goto(f"{url}#write?model={model}")
            page.wait_for_selector("html[data-ready=true]")
            for view in VIEWS:
                page.locator(f"#tab-{view}").click()
                page.locator(f"#view-{view}").wait_for()
                DEEDS[view](page)
                shoot(page, OUT / f"{view}-{theme}-{width}.webp", width)
                if view == "write" and width != 768:
                    page.locator("#write-story .token").nth(4).click()
                    page.get_by_role("dialog").wait_for()
                    shoot(page, OUT / f"alternatives-{theme}-{width}.webp", width)
                    page.keyboard.press("Escape")
                page.locator("#model").select_option(model)
            context.close()


def weigh(browser: Browser, url: str) -> None:
    """Say what the page weighs, and when it is painted first."""
    paints, sizes = [], []
    for _ in range(LOADS):
        context = browser.new_context()
        page, n_bytes = context.new_page(), []
        wire = context.new_cdp_session(page)
        wire.send("Network.enable")
        wire.on(
            "Network.loadingFinished", lambda one, to=n_bytes: to.append(one["encodedDataLength"])
        )
        page.goto(url)
        page.wait_for_selector("html[data-ready=true]")
        for view in VIEWS:
            page.locator(f"#tab-{view}").click()
            page.wait_for_timeout(400)
        paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
        paints.append(page.evaluate(paint))
        sizes.append(sum(n_bytes))
        context.close()
    print(f"first paint {median(paints):.0f} ms, {min(paints):.0f} to {max(paints):.0f}")
    print(f"all views transfer {median(sizes) / 1000:.0f} kB")


def main() -> None:
    """Serve, look, and say what it weighed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"))
    words = parser.parse_args()
    path = shutil.which("chromium") or sys.exit("there is no chromium here: apt install chromium")
    OUT.mkdir(parents=True, exist_ok=True)
    model = next((run for run in words.runs if "@" not in run), words.runs[0])
    with served(words.runs, words.runs_dir) as url, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=path, args=["--no-sandbox"])
        pictures(browser, url, Path(model).name)
        weigh(browser, url)
        browser.close()
    total = sum(one.stat().st_size for one in OUT.glob("*.webp"))
    print(f"{len(list(OUT.glob('*.webp')))} pictures of {total / 1e6:.2f} MB in {OUT}")


if __name__ == "__main__":
    main()
