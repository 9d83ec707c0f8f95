"""How the page looks and behaves in any state: contrast, widths, weight, keys, and what fails."""

from pathlib import Path

import pytest
from browsers import CONTRASTS, VIEWS, browser, looking, open_view, told, wait_until_told
from playwright.sync_api import Browser, Page, expect
from test_playground import begin, write

from servers import Place, chatty_run, random_run, serving

MOST_BYTES = 300_000
FIRST_PAINT_MS = 1000
OTHER_THEME = """window.bardlingTheme.choose(
  document.documentElement.dataset.theme === "dark" ? "light" : "dark")"""
MARGIN = 3  # machines of tests are shared


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    begin(folder, "fresh")
    return folder


@pytest.fixture(scope="module")
def place(home: Path):
    with serving(chatty_run(home), random_run(home), runs_dir=home) as found:
        yield found


@pytest.fixture(scope="module")
def chrome():
    with browser() as found:
        yield found


def fill(page: Page, view: str) -> None:
    """Bring a view into the state in which it shows most."""
    open_view(page, view)
    match view:
        case "write":
            page.locator("#write-temperature").fill("1.5")
            write(page)
            page.locator("#write-story .token").nth(1).click()
            page.get_by_role("dialog").wait_for()
        case "chat":
            page.locator("#chat-input").fill("7 plus 3?")
            page.keyboard.press("Enter")
            wait_until_told(page, "Answered")
        case "attention":
            page.locator("#attention-told li").first.wait_for()
        case "embeddings":
            page.locator("#embeddings-near li").first.wait_for()
        case "tokenizer":
            page.locator(".piece").first.wait_for()
        case "compare":
            page.get_by_role("button", name="Write side by side").click()
            wait_until_told(page, "Done")
        case "training":
            page.locator(".chart .val-point").first.wait_for()
            page.locator("#chart").focus()
            page.keyboard.press("End")


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 360)])
def test_text_stands_out_and_nothing_overflows(chrome: Browser, place: Place, theme, width):
    with looking(chrome, place.url, theme=theme, width=width) as (page, heard):
        assert page.evaluate("document.documentElement.dataset.theme") == theme
        for view in VIEWS:
            fill(page, view)
            for _ in range(3):  # both themes, and back
                found = page.evaluate(CONTRASTS)
                assert found["poor"] == [] and found["count"] > 15, view
                page.evaluate(OTHER_THEME)
            page.evaluate("window.bardlingTheme.choose('auto')")
            size = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
            assert size[0] <= size[1], view
        assert heard.n_bytes <= MOST_BYTES, "all views, and what they ask"


@pytest.mark.parametrize("height", [700, 880, 900, 1000])
def test_alternatives_leave_the_tabs_free(chrome: Browser, place: Place, height):
    with looking(chrome, place.url) as (page, _):
        page.set_viewport_size({"width": 1280, "height": height})
        write(page)
        page.evaluate("scrollTo(0, 0)")
        page.locator("#write-story .token").nth(1).click()
        page.get_by_role("dialog").wait_for()
        window = page.get_by_role("dialog").bounding_box()
        assert window["y"] >= page.locator("#main").bounding_box()["y"]


def test_a_faint_text_would_be_found(chrome: Browser, place: Place):
    with looking(chrome, place.url) as (page, _):
        page.evaluate("document.documentElement.style.setProperty('--soft', '#999')")
        assert page.evaluate(CONTRASTS)["poor"]


def test_the_first_paint_comes_soon(chrome: Browser, place: Place):
    with looking(chrome, place.url) as (page, _):
        painted = page.evaluate(
            "performance.getEntriesByName('first-contentful-paint')[0].startTime"
        )
        assert painted <= FIRST_PAINT_MS * MARGIN


def test_the_theme_is_chosen_and_kept(chrome: Browser, place: Place):
    with looking(chrome, place.url) as (page, _):
        button = page.locator("#theme")
        for theme in ("light", "dark"):
            button.click()
            expect(page.locator("html")).to_have_attribute("data-theme", theme)
        page.reload()
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        button.click()
        expect(page.locator("html")).to_have_attribute("data-theme", "light")
        page.emulate_media(color_scheme="dark")
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")


@pytest.mark.parametrize(("calm", "name"), [(True, "none"), (False, "breathe")])
def test_who_wants_no_motion_has_none(chrome: Browser, place: Place, calm: bool, name: str):
    with looking(chrome, f"{place.url}/#training?run=fresh", calm=calm) as (page, _):
        wait_until_told(page, "Following")
        lamp = page.locator("#status .lamp")
        assert lamp.evaluate("one => getComputedStyle(one).animationName") == name


def test_a_page_about_nothing_says_what_to_do(chrome: Browser, tmp_path: Path):
    with serving(runs_dir=tmp_path) as place, looking(chrome, place.url) as (page, _):
        expect(page.get_by_text("No run is here yet")).to_be_visible()
        open_view(page, "tokenizer")
        expect(page.get_by_text("There is no tokenizer here")).to_be_visible()
        assert page.locator("#tabs [role=tab]").all_text_contents() == ["Tokenizer", "Training"]


def test_the_key_is_asked_for_until_it_is_right(chrome: Browser, home: Path, tmp_path: Path):
    key = "sixteen-letters-"
    with serving(random_run(tmp_path), runs_dir=home, key=key) as place:
        context = chrome.new_context(reduced_motion="reduce")
        page = context.new_page()
        page.goto(place.url)
        form = page.locator("#key")
        expect(form).to_be_visible()
        expect(page.locator("#key-value")).to_be_focused()
        page.keyboard.type("not-the-right-key")
        page.keyboard.press("Enter")
        expect(form).to_contain_text("not the server's key")
        page.locator("#key-value").fill(key)
        page.keyboard.press("Enter")
        expect(form).to_be_hidden()
        expect(page.locator("#write-next .candidate").first).to_be_visible()
        page.reload()
        expect(page.locator("#write-next .candidate").first).to_be_visible()
        expect(form).to_be_hidden()
        context.close()


def test_what_fails_is_told_in_a_sentence(chrome: Browser, tmp_path: Path):
    with serving(random_run(tmp_path), runs_dir=tmp_path) as place:
        context = chrome.new_context()
        page = context.new_page()
        page.goto(place.url)
        page.wait_for_selector("html[data-ready=true]")
        open_view(page, "embeddings")
        page.locator("#embeddings-word").fill("\u20ac" * 101)
        page.locator("#embeddings-word").evaluate("one => one.removeAttribute('maxlength')")
        page.locator("#embeddings-word").fill("x" * 101)
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("Word: ")
        assert "\n" not in told(page)
    open_view(page, "write")
    page.get_by_role("button", name="Write", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("The server does not answer")
    context.close()
