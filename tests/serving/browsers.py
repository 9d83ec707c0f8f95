"""A browser that looks at the page, and hears all that it asks, gets and complains of."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)
VIEWS = ("write", "chat", "attention", "embeddings", "tokenizer", "compare", "training")


def chromium() -> str:
    """Return the browser's path; without one the test is skipped, and fails where CI is set."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        told = "there is no chromium here, so nobody has looked at the page: apt install chromium"
        if os.environ.get("CI"):
            pytest.fail(told)
        pytest.skip(told)
    return found


@contextmanager
def browser() -> Iterator[Browser]:
    path = chromium()
    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield found
        finally:
            found.close()


@dataclass
class Heard:
    """What a page was heard of."""

    complaints: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)
    paths: list[str] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    n_bytes: int = 0


@contextmanager
def looking(
    browser: Browser, url: str, *, width: int = 1280, theme: str = "light", calm: bool = True
) -> Iterator[tuple[Page, Heard]]:
    """Open the page; at the end nothing may have been complained of, nor asked of others."""
    context = browser.new_context(
        viewport={"width": width, "height": 800},
        color_scheme="dark" if theme == "dark" else "light",
        reduced_motion="reduce" if calm else "no-preference",
    )
    context.set_default_timeout(PATIENCE_MS)
    page, heard = context.new_page(), Heard()
    page.on("console", lambda one: heard.complaints.append(f"{one.type}: {one.text}"))
    page.on("pageerror", lambda error: heard.complaints.append(str(error)))
    page.on("request", lambda one: note(heard, one.url))
    wire = context.new_cdp_session(page)
    wire.send("Network.enable")
    wire.on("Network.responseReceived", lambda one: answered(heard, one))
    wire.on("Network.loadingFinished", lambda one: add(heard, one))
    try:
        page.goto(url)
        page.wait_for_selector("html[data-ready=true]")
        yield page, heard
        assert heard.complaints == []
        assert heard.hosts == {urlsplit(url).netloc}
    finally:
        context.close()


def note(heard: Heard, url: str) -> None:
    heard.hosts.add(urlsplit(url).netloc)
    heard.paths.append(urlsplit(url).path)


def answered(heard: Heard, event: dict[str, Any]) -> None:
    heard.answers[event["requestId"]] = urlsplit(event["response"]["url"]).path


def add(heard: Heard, event: dict[str, Any]) -> None:
    """Count what the page weighs; the text that models write has no end."""
    if not heard.answers.get(event["requestId"], "").startswith("/v1/"):
        heard.n_bytes += int(event["encodedDataLength"])


def open_view(page: Page, name: str) -> None:
    page.locator(f"#tab-{name}").click()
    page.locator(f"#view-{name}").wait_for()


def told(page: Page) -> str:
    """Return what the status line says."""
    return page.locator("#status").inner_text().strip()


def wait_until_told(page: Page, *words: str) -> None:
    page.wait_for_function(
        "words => words.every(w => document.getElementById('status').innerText.includes(w))",
        arg=list(words),
    )


CONTRASTS = """() => {
  const pen = Object.assign(document.createElement("canvas"), { width: 1, height: 1 })
    .getContext("2d", { willReadFrequently: true });
  const channels = (colour) => {
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = colour;
    pen.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3]));
  const light = (rgb) => {
    const [r, g, b] = rgb.map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    if (!element) return [255, 255, 255];
    const own = channels(getComputedStyle(element).backgroundColor);
    return own[3] === 1 ? own.slice(0, 3) : over(own, ground(element.parentElement));
  };
  const poor = [];
  let count = 0;
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    const element = node.parentElement;
    if (!node.textContent.trim()) continue;
    if (!element.checkVisibility({ visibilityProperty: true })) continue;
    if (element.closest(".unseen, .skip, :disabled, noscript, option")) continue;
    const style = getComputedStyle(element);
    const inSvg = element.namespaceURI.endsWith("svg");
    if (inSvg && style.display === "none") continue;
    const below = ground(inSvg ? element.closest("svg").parentElement : element);
    const ink = over(channels(inSvg ? style.fill : style.color), below);
    const [a, b] = [light(ink), light(below)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    count += 1;
    if (ratio < (large ? 3 : 4.5)) {
      poor.push(`${ratio.toFixed(2)} ${element.className?.baseVal ?? element.className} ` +
        `${node.textContent.trim().slice(0, 30)} ${style.color}`);
    }
  }
  return { count, poor };
}"""
"""How well each text stands out from what is behind it (WCAG 2.2, 1.4.3), by computed styles."""
