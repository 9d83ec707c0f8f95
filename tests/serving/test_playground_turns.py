"""The page when something changes midway: the model, the tab, the log, or what is answered."""

import json
from pathlib import Path

import pytest
from browsers import browser, looking, open_view, wait_until_told
from playwright.sync_api import Browser, Page, Route, expect
from test_playground import PROMPT, TOKENS, begin, record

from bardling.trained import Run
from servers import Place, chatty_run, random_run, serving

WORDS = ".turn.assistant .words"


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> list[Run]:
    folder = tmp_path_factory.mktemp("runs")
    return [random_run(folder), chatty_run(folder, block_size=512)]


@pytest.fixture(scope="module")
def slow(runs: list[Run]):
    with serving(*runs, runs_dir=runs[0].folder.path.parent, pace=0.05) as found:
        yield found


@pytest.fixture(scope="module")
def chrome():
    with browser() as found:
        yield found


@pytest.fixture
def page(chrome: Browser, slow: Place):
    with looking(chrome, slow.url) as (found, _):
        yield found


def begin_to_write(page: Page) -> None:
    page.locator("#write-max_tokens").fill("512")
    page.locator("#write-prompt").fill(PROMPT)
    page.get_by_role("button", name="Write", exact=True).click()
    page.locator(TOKENS).nth(2).wait_for()


def send(page: Page, text: str) -> None:
    page.locator("#chat-input").fill(text)
    page.keyboard.press("Enter")


def chat(page: Page) -> None:
    page.locator("#model").select_option("chatty")
    open_view(page, "chat")


def test_another_model_begins_a_text_of_its_own(page: Page, slow: Place):
    begin_to_write(page)
    page.locator("#model").select_option("chatty")
    expect(page.locator(TOKENS)).to_have_count(0)
    expect(page.get_by_role("button", name="Write", exact=True)).to_be_visible()
    page.wait_for_timeout(300)
    expect(page.locator(TOKENS)).to_have_count(0)
    assert slow.models is not None
    assert slow.models.get("plain").engine.counters["running"] == 0
    begin_to_write(page)
    page.keyboard.press("Escape")
    wait_until_told(page, "Stopped after")


def test_an_answer_grows_on_while_its_tab_is_left(page: Page):
    chat(page)
    page.locator("#chat-max_tokens").fill("300")
    send(page, "7 plus 3?")
    expect(page.locator(WORDS)).not_to_be_empty()
    open_view(page, "write")
    open_view(page, "chat")
    page.locator("#model").select_option("plain")
    page.locator("#model").select_option("chatty")
    words = page.locator(WORDS)
    before = words.text_content() or ""
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    page.wait_for_function(
        "([where, length]) => document.querySelector(where).textContent.length > length",
        arg=[WORDS, len(before)],
    )
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    page.keyboard.press("Escape")
    wait_until_told(page, "Stopped")


def test_a_message_without_an_answer_can_be_sent_again(page: Page):
    sent: list[list[dict[str, str]]] = []

    def fail(route: Route) -> None:
        sent.append(route.request.post_data_json["messages"])
        route.fulfill(status=200, content_type="text/event-stream",
                      body='data: {"error": {"message": "no room"}}\n\n')  # fmt: skip

    chat(page)
    page.locator("#chat-max_tokens").fill("4")
    page.route("**/v1/chat/completions", fail)
    send(page, "7 plus 3?")
    expect(page.locator("#alarm")).to_have_text("No room")
    page.get_by_role("button", name="Again").click()
    expect(page.locator("#alarm")).to_have_text("No room")
    expect(page.get_by_role("button", name="Again")).to_be_visible()
    send(page, "9 plus 3?")
    expect(page.get_by_role("button", name="Again")).to_be_visible()
    page.unroute("**/v1/chat/completions")
    page.get_by_role("button", name="Again").click()
    wait_until_told(page, "Answered")
    asked = [[(one["role"], one["content"]) for one in messages] for messages in sent]
    assert asked == [[("user", "7 plus 3?")]] * 2 + [[("user", "9 plus 3?")]]
    assert page.locator(".turn .who").all_text_contents()[0] == "You"
    expect(page.locator(".turn.user .words")).to_have_text("9 plus 3?")


def test_a_log_that_is_begun_anew_has_samples_of_its_own(chrome: Browser, tmp_path: Path):
    run = begin(tmp_path, "fresh")
    with (
        serving(runs_dir=tmp_path) as place,
        looking(chrome, f"{place.url}/#training?run=fresh") as (page, _),
    ):
        expect(page.locator("#sample")).to_have_text("first words")
        lines = run.metrics_path.read_text().splitlines()
        first = json.loads(lines[0]) | {"sample": "other words"}
        longer = "".join(record(step) for step in range(1, 9))
        (run.path / "new").write_text(json.dumps(first) + "\n" + longer)
        (run.path / "new").rename(run.metrics_path)
        wait_until_told(page, "step 8")
        expect(page.locator("#sample")).to_have_text("other words")
        expect(page.locator("#sample-place")).to_be_hidden()
