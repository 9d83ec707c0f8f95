"""The page in a browser: every view does what it says, with the mouse and by the keyboard."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from browsers import VIEWS, browser, looking, open_view, told, wait_until_told
from playwright.sync_api import Browser, Page, expect

from bardling.run_folder import RunFolder
from bardling.trained import Run
from servers import Place, chatty_run, random_run, serving
from tiny import tiny_config, write_text

PROMPT = "12 plus 30 is"
TOKENS = "#write-story .token"


def record(step: int, **more: object) -> str:
    seconds = {"tokens": step * 128, "seconds": step * 0.5, "tokens_per_second": 256.0}
    return json.dumps({"step": step, "loss": 3.0 - step / 10, **seconds, **more}) + "\n"


def begin(folder: Path, name: str) -> RunFolder:
    """Set a run up as if it had begun to train."""
    run = RunFolder(folder / name)
    run.path.mkdir()
    run.write_config(replace(tiny_config(write_text(folder)), total_steps=20))
    known = {"val_loss": 3.0, "val_floor": 1.0, "val_bits_per_byte": 1.5}
    run.metrics_path.write_text(
        record(0, sample="first words", **known) + "".join(record(step) for step in range(1, 6))
    )
    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> list[Run]:
    folder = tmp_path_factory.mktemp("runs")
    return [random_run(folder), chatty_run(folder)]


@pytest.fixture(scope="module")
def home(runs: list[Run]) -> Path:
    folder = runs[0].folder.path.parent
    for name in ("fresh", "older"):
        begin(folder, name)
    return folder


@pytest.fixture(scope="module")
def place(runs: list[Run], home: Path):
    with serving(*runs, runs_dir=home) as found:
        yield found


@pytest.fixture(scope="module")
def chrome():
    with browser() as found:
        yield found


@pytest.fixture
def page(chrome: Browser, place: Place):
    with looking(chrome, place.url) as (found, _):
        yield found


def texts(page: Page) -> list[str]:
    return page.locator(TOKENS).all_text_contents()


def write(page: Page, prompt: str = PROMPT) -> list[str]:
    page.locator("#write-prompt").fill(prompt)
    page.get_by_role("button", name="Write", exact=True).click()
    expect(page.get_by_role("button", name="Go on")).to_be_visible()
    return texts(page)


def test_text_is_written_and_each_token_tells_its_surprise(page: Page, place: Place, runs):
    page.locator("#write-max_tokens").fill("16")
    page.locator("#write-temperature").fill("0")
    written = write(page)
    assert 0 < len(written) <= 16 and "token" in told(page)
    end = runs[0].tokenizer.end_token
    ids = [end, *runs[0].tokenizer.encode(PROMPT)]
    choice = place.complete(prompt=ids, max_tokens=16, temperature=0, logprobs=1).json["choices"][0]
    assert "".join(written) == choice["text"]
    bits = [-p / 0.6931471805599453 for p in choice["logprobs"]["token_logprobs"]]
    levels = [int(one.get_attribute("data-surprise")) for one in page.locator(TOKENS).all()]
    assert levels == [sum(b >= least for least in (1, 2, 4, 6, 9)) for b in bits]
    assert (
        f"{sum(bits) / len(bits):.2f} bits a token" in page.locator("#write-verdict").inner_text()
    )


def test_the_distribution_moves_before_anything_is_drawn(page: Page, place: Place, runs):
    page.locator("#write-prompt").fill(PROMPT)
    note = page.locator("#write-next-note")
    asked = {"prompt": PROMPT, "begins": True, "count": 1}
    best = place.ask("POST", "/play/next", asked).json["candidates"][0]["p"]
    said = f"{100 * best:.{1 if best < 0.0995 else 0}f} %"
    row = page.locator("#write-next .candidate").first
    expect(row.locator(".number").first).to_have_text(said)
    expect(note).to_contain_text(f"among {runs[0].tokenizer.vocab_size} tokens")
    before = row.locator(".number").all_text_contents()
    page.locator("#write-temperature").fill("0.3")
    expect(row.locator(".number").last).not_to_have_text(before[1])
    assert row.locator(".number").first.inner_text() == before[0], "what the model says stays"
    page.locator("#write-top_k").fill("2")
    expect(note).to_contain_text("among 2 tokens")
    expect(page.locator("#write-next .candidate.out")).to_have_count(12)
    assert texts(page) == []
    row.click()
    expect(page.locator(TOKENS)).to_have_count(1)


def test_from_an_alternative_the_text_goes_on_differently(page: Page):
    page.locator("#write-max_tokens").fill("8")
    page.locator("#write-seed").fill("3")
    written = write(page)
    page.locator(TOKENS).nth(2).click()
    window = page.get_by_role("dialog")
    expect(window).to_be_visible()
    expect(window.locator(".candidate")).to_have_count(8)
    other = window.locator('.candidate[aria-selected="false"]').first
    other.click()
    expect(page.get_by_role("button", name="Go on")).to_be_visible()
    expect(page.locator(TOKENS + ".taken")).to_have_count(1)
    branched = texts(page)
    assert branched[:2] == written[:2] and branched[2] != written[2] and len(branched) > 3
    page.get_by_role("button", name="Undo").click()
    assert texts(page) == written
    page.get_by_role("button", name="Redo").click()
    assert texts(page) == branched
    page.reload()
    page.wait_for_selector(TOKENS)
    assert texts(page) == branched, "a reload loses nothing"


def test_everything_goes_by_the_keyboard(page: Page):
    keys = page.keyboard
    keys.press("Tab")
    expect(page.locator("#skip")).to_be_focused()
    for place in ("#model", "#theme", "#tab-write", "#write-prompt"):
        keys.press("Tab")
        expect(page.locator(place)).to_be_focused()
    keys.type(PROMPT)
    keys.press("Control+Enter")
    expect(page.get_by_role("button", name="Go on")).to_be_visible()
    for _ in range(12):  # past buttons and the box
        keys.press("Tab")
        if page.evaluate("document.activeElement.matches('#write-story .token')"):
            break
    keys.press("ArrowRight")
    keys.press("Enter")
    expect(page.locator("#alternatives [role=option]:focus")).to_have_count(1)
    keys.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.locator(TOKENS).nth(1)).to_be_focused()
    written = texts(page)
    keys.press("Enter")
    expect(page.locator("#alternatives [role=option]:focus")).to_have_count(1)
    keys.press("Home")
    keys.press("ArrowDown")
    keys.press("Enter")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.wait_for_selector(TOKENS + ".taken")
    expect(page.get_by_role("button", name="Go on")).to_be_visible()
    assert texts(page)[:1] == written[:1]
    page.locator("#tab-write").focus()
    for name in VIEWS[1:]:
        keys.press("ArrowRight")
        expect(page.locator(f"#tab-{name}")).to_be_focused()
        expect(page.locator(f"#view-{name}")).to_be_visible()


def test_escape_stops_what_is_written(chrome: Browser, runs, home: Path):
    with (
        serving(runs[0], runs_dir=home, pace=0.05) as slow,
        looking(chrome, slow.url) as (page, _),
    ):
        page.locator("#write-max_tokens").fill("512")
        page.locator("#write-prompt").fill(PROMPT)
        page.get_by_role("button", name="Write", exact=True).click()
        page.locator(TOKENS).nth(2).wait_for()
        page.keyboard.press("Escape")
        wait_until_told(page, "Stopped after")
        assert 3 <= len(texts(page)) < 200
        assert slow.models is not None
        page.wait_for_timeout(300)
        assert slow.models.get("plain").engine.counters["running"] == 0


def test_attention_shows_what_a_token_looks_at(page: Page, place: Place):
    open_view(page, "attention")
    page.locator("#attention-text").fill(PROMPT)
    tokens = page.locator("#attention-story .token")
    body = {"prompt": PROMPT, "begins": True}
    found = place.ask("POST", "/play/attention", body).json
    expect(tokens).to_have_count(len(found["tokens"]))
    expect(page.locator("#attention-heads button")).to_have_count(8)
    page.get_by_role("button", name=re.compile("Layer 2, head 3")).click()
    expect(page.locator("#attention-title")).to_contain_text("Layer 2, head 3")
    rows = found["layers"][1][2]
    tokens.nth(3).hover()
    best = max(rows[3])
    expected = f"{100 * best:.{1 if best < 0.0995 else 0}f} %"
    expect(page.locator("#attention-told .number").first).to_have_text(expected)
    weight = tokens.nth(1).evaluate("one => one.style.getPropertyValue('--weight')")
    assert float(weight) == pytest.approx(rows[3][1] ** 0.5, abs=2e-3)
    page.get_by_role("radio", name="is seen by").check()
    tokens.nth(0).hover()
    expect(page.locator("#attention-told")).to_contain_text("is seen by")
    tokens.nth(0).focus()
    page.keyboard.press("ArrowRight")
    expect(tokens.nth(1)).to_be_focused()
    expect(tokens.nth(1)).to_have_class(re.compile("marked"))


def test_embeddings_have_neighbours_analogies_and_a_map(page: Page, place: Place):
    open_view(page, "embeddings")
    page.locator("#plane .point").first.wait_for()
    asked = {"word": "king", "count": 10}
    near = place.ask("POST", "/play/neighbours", asked).json["neighbours"]
    page.locator("#embeddings-word").fill("king")
    page.keyboard.press("Enter")
    expect(page.locator("#embeddings-near .word")).to_have_text([one["word"] for one in near])
    expect(page.locator("#plane .point.chosen")).to_have_attribute("aria-label", "king, royal")
    for name, word in zip("abc", ("king", "queen", "boy"), strict=True):
        page.locator(f"#analogy-{name}").fill(word)
    page.keyboard.press("Enter")
    asked = {"a": "king", "b": "queen", "c": "boy"}
    best = place.ask("POST", "/play/analogy", asked).json["answers"][0]["word"]
    wait_until_told(page, f"so is boy to {best}")
    page.locator("#plane .point.chosen").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    wait_until_told(page, "Nearest to")
    assert page.locator("#embeddings-word").input_value() != "king"


def test_tokenizers_cut_a_text_side_by_side(page: Page, runs):
    open_view(page, "tokenizer")
    text = "12 plus 30\nist „genau“ 42"
    page.locator("#tokenizer-text").fill(text)
    expect(page.locator("#tokenizer-size")).to_contain_text(f"{len(text.encode())} bytes")
    cards = page.locator("#tokenizer-cuts .cut")
    expect(cards).to_have_count(2)
    for card, run in zip(cards.all(), runs, strict=True):
        n_tokens = len(run.tokenizer.encode(text))
        assert card.locator(".piece").count() == n_tokens
        assert card.locator("dd").all_text_contents()[:2] == [
            str(n_tokens),
            f"{len(text.encode()) / n_tokens:.2f}",
        ]
    cards.first.locator(".piece").first.focus()
    wait_until_told(page, "id ", "byte")


def test_models_write_side_by_side(page: Page, runs):
    page.locator("#write-temperature").fill("0")
    page.locator("#write-max_tokens").fill("8")
    open_view(page, "compare")
    page.locator("#compare-begins").uncheck()
    page.locator("#compare-prompt").fill(PROMPT)
    page.get_by_role("button", name="Write side by side").click()
    wait_until_told(page, "Done: ", "2 models")
    for side, run in zip(page.locator(".side-text .story").all(), runs, strict=True):
        alone = run.generate(PROMPT, max_new_tokens=8, temperature=0.0)
        assert side.text_content() == PROMPT + alone
    page.get_by_label("chatty step").uncheck()
    expect(page.locator(".side-text")).to_have_count(1)
    page.get_by_label("plain step").uncheck()
    expect(page.get_by_text("No model is chosen")).to_be_visible()


def test_one_talks_with_a_model_that_answers(page: Page, place: Place):
    open_view(page, "chat")
    expect(page.get_by_text("plain has not learned to answer")).to_be_visible()
    page.get_by_role("button", name="Talk with chatty").click()
    page.locator("#chat-temperature").fill("0")
    page.locator("#chat-max_tokens").fill("8")
    page.locator("#chat-input").fill("7 plus 3?")
    page.keyboard.press("Enter")
    wait_until_told(page, "Answered")
    said = [{"role": "user", "content": "7 plus 3?"}]
    answer = place.chat(model="chatty", messages=said, max_tokens=8, temperature=0)
    expected = answer.json["choices"][0]["message"]["content"]
    assert page.locator(".turn.assistant .words").text_content() == expected
    page.get_by_role("button", name="Begin anew").click()
    expect(page.get_by_text("Nothing has been said yet.")).to_be_visible()


def test_a_run_is_followed_while_it_trains(chrome: Browser, place: Place, home: Path):
    run = RunFolder(home / "fresh")
    with looking(chrome, f"{place.url}/#training?run=fresh") as (page, _):
        page.wait_for_selector('.chart .train[data-run="fresh"]')
        wait_until_told(page, "Following fresh, step 5")
        line = page.locator('.chart .train[data-run="fresh"]')
        before = line.get_attribute("d")
        with run.metrics_path.open("a") as log:
            log.write(record(6) + record(7, val_loss=2.5, val_floor=1.0, sample="later words"))
        wait_until_told(page, "step 7")
        expect(line).not_to_have_attribute("d", before or "")
        expect(page.locator("#sample")).to_have_text("later words")
        expect(page.locator("#training-figures")).to_contain_text("150.0 %")  # above the floor
        page.locator("#sample-place").focus()
        page.keyboard.press("ArrowLeft")
        expect(page.locator("#sample")).to_have_text("first words")
        page.locator("#run-older").check()
        expect(page.locator(".chart .train")).to_have_count(2)
        assert "run=fresh&run=older" in page.url
        page.locator("#chart").focus()
        page.keyboard.press("End")
        expect(page.locator("#readout")).to_contain_text("fresh")
        expect(page.locator("#readout")).to_contain_text("older")
        page.locator("#run-fresh").uncheck()
        expect(page.locator('.chart .train[data-run="fresh"]')).to_have_count(0)
        page.get_by_role("radio", name="Bits per byte").check()
        expect(page.locator('.chart .val[data-run="older"]')).to_have_count(1)
