"""The engine writes what the model alone would write, whoever is served beside."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from engines import PROMPTS, Listener, ask, small_run, texts, write

from bardling.errors import GenerationError
from bardling.generation.sampling import Sample
from bardling.serving import engine as engine_module
from bardling.serving import slots as slots_module
from bardling.serving.asking import Closing, End, Overloaded
from bardling.serving.engine import Engine
from bardling.serving.writing import Writing


@pytest.fixture(params=["native", "torch", "unmasked"])
def run(request, tmp_path, monkeypatch):
    """Return a run that is read by each of the ways there are."""
    if request.param != "native":
        monkeypatch.setattr(slots_module, "open_decoder", lambda *_, **__: None)
    sizes = {"attention": "unmasked"} if request.param == "unmasked" else {}
    return small_run(tmp_path, **sizes)


@pytest.fixture
def engine(run):
    """Return an engine with three slots."""
    engine = Engine(run, slots=3, queue=20)
    yield engine
    engine.close()


def test_greedy_text_is_that_of_generate(run, engine):
    """Also beyond the context, where it is read anew from its middle."""
    found = write(engine, *(ask(run, prompt, max_new_tokens=70) for prompt in PROMPTS))
    assert texts(found) == [
        run.generate(prompt, max_new_tokens=70, temperature=0.0) for prompt in PROMPTS
    ]
    assert {listener.end.reason for listener in found} <= {"stop", "length"}


def test_company_changes_not_a_bit(run, engine):
    """Texts that come and go beside it change neither its tokens nor their likelihoods."""
    asks = [ask(run, p, n_top=3, strategy=Sample(temperature=0.7), seed=s) for s, p in
            enumerate(PROMPTS)]  # fmt: skip
    alone = [write(engine, one)[0].tokens for one in asks]
    together = [listener.tokens for listener in write(engine, *asks)]
    assert together == alone


def test_a_sampled_text_is_that_of_generate(run, engine):
    """Each draws from its own seed."""
    settings = {"temperature": 0.9, "top_k": 20, "top_p": 0.9}
    asks = [ask(run, "3 plus", strategy=Sample(**settings), seed=seed) for seed in range(5)]
    expected = [
        run.generate("3 plus", max_new_tokens=30, seed=seed, **settings) for seed in range(5)
    ]
    assert texts(write(engine, *asks)) == expected


def test_likelihoods_are_the_models(run, engine):
    """Of the prompt's tokens from the second on, and of those written."""
    (found,) = write(engine, ask(run, "12 plus 30 is", n_top=2, of_prompt=True, max_new_tokens=3))
    told = list(found.events[:-1])
    ids = [*run.tokenizer.encode("12 plus 30 is"), *(token.id for token in found.tokens)]
    with torch.no_grad():
        nats = run.model(torch.tensor([ids]))[0].double().log_softmax(dim=-1)
    if run.config.model.attention == "unmasked":
        nats = nats[: len(ids) - 3]  # what comes later changes what was made of the prompt
        told = []
    for place, token in enumerate(told):
        assert token.id == ids[place + 1]
        assert token.logprob == pytest.approx(float(nats[place, token.id]), abs=1e-4)
        best = nats[place].topk(2)
        assert [one.id for one in token.top] == best.indices.tolist()
        assert [one.logprob for one in token.top] == pytest.approx(best.values.tolist(), abs=1e-4)


def test_a_prompt_alone_is_read(run, engine):
    """Nothing new is written, and nothing of the prompt is lost."""
    (found,) = write(engine, ask(run, "12 plus", n_top=0, of_prompt=True, max_new_tokens=0))
    assert found.end.n_new == 0
    assert found.tokens == []
    assert [e.id for e in found.events[:-1]] == run.tokenizer.encode("12 plus")[1:]


def test_a_stop_ends_a_text_before_it(run, engine):
    """And what only looked like its beginning is told."""
    whole = write(engine, ask(run, "3 plus"))[0].text
    stop = whole[7:10]
    (found,) = write(engine, ask(run, "3 plus", stop=(stop,)))
    assert found.text == whole[: whole.index(stop)]
    assert found.end.reason == "stop"


def test_an_id_can_end_a_text(run, engine):
    """It is not told as a token."""
    third = write(engine, ask(run, "3 plus"))[0].tokens[2].id
    (found,) = write(engine, ask(run, "3 plus", ends=(third,)))
    assert found.end.reason == "stop"
    assert third not in [token.id for token in found.tokens]


@pytest.mark.parametrize("ids", [(), (-1,), (10**6,), (1,) * 41])
def test_ids_that_cannot_be_read_are_refused(run, engine, ids):
    """Before they wait."""
    with pytest.raises(GenerationError):
        engine.submit(ask(run, "3", ids=ids), Listener())


class Meaningless:
    """Slots whose logits are no numbers after one token."""

    def __init__(self, slots, token):
        self.slots, self.chunk, self.token = slots, slots.chunk, token

    def read(self, parts):
        told = self.slots.read(parts)
        return [
            logits * (float("nan") if part.unread[-1] == self.token else 1.0)
            for part, logits in zip(parts, told, strict=True)
        ]


def test_logits_without_meaning_end_one_text_only(run, engine):
    """It gets a sentence; its neighbours and the engine go on."""
    engine._slots = Meaningless(engine._slots, token=5)
    assert 5 not in run.tokenizer.encode("3 plus")
    bad, good = write(engine, ask(run, "", ids=(5,)), ask(run, "3 plus", max_new_tokens=1))
    assert (bad.end.reason, good.end.reason) == ("error", "length")
    assert "not finite" in bad.end.error


class Slow:
    """Slots that wait for a sign before each turn."""

    def __init__(self, slots):
        self.slots, self.chunk = slots, slots.chunk
        self.gate, self.turns = threading.Semaphore(0), 0

    def read(self, parts):
        assert self.gate.acquire(timeout=60)
        self.turns += 1
        return self.slots.read(parts)


@pytest.fixture
def slow(engine):
    engine._slots = Slow(engine._slots)
    yield engine._slots
    engine._slots.gate.release(2000)


def until(condition):
    """Wait for what another thread does."""
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen")


def all_slots_taken(engine, slow):
    """The first turn may have begun with one text; the second has all."""
    slow.gate.release()
    until(lambda: engine.counters["running"] == 3)


def test_a_text_that_is_given_up_frees_its_slot(run, engine, slow):
    """At most the token that was in work is computed after; neighbours are not touched."""
    prompt = PROMPTS[0]
    kept, left = Listener(), Listener()
    engine.submit(ask(run, prompt, max_new_tokens=8), kept)
    ticket = engine.submit(ask(run, prompt, max_new_tokens=1000), left)
    slow.gate.release(6)
    until(lambda: slow.turns == 6)  # the first of them read the other's prompt
    ticket.cancel()
    slow.gate.release(1000)
    assert left.wait().end.reason == "cancelled"
    assert left.end.n_new <= 6
    assert kept.wait().text == run.generate(prompt, max_new_tokens=8, temperature=0.0)
    until(lambda: engine.counters["running"] == 0)


def test_a_text_that_waits_can_be_given_up(run, engine, slow):
    """It leaves the queue at once, though nothing moves."""
    listeners = [Listener() for _ in range(4)]
    tickets = [engine.submit(ask(run, "3 plus"), one) for one in listeners]
    all_slots_taken(engine, slow)
    tickets[3].cancel()
    assert listeners[3].wait().events == [End("cancelled", "", 6, 0)]
    assert engine.counters["waiting"] == 0


def test_more_than_may_wait_are_refused(run, engine, slow):
    """And those who were let in all get their texts."""
    listeners = [Listener() for _ in range(23)]
    for one in listeners:
        engine.submit(ask(run, "3 plus", max_new_tokens=2), one)
    with pytest.raises(Overloaded, match="ask again"):
        engine.submit(ask(run, "3 plus"), Listener())
    slow.gate.release(2000)
    assert len({one.wait().text for one in listeners}) == 1


def test_what_is_being_written_is_finished_when_it_closes(run, engine, slow):
    """What only waits is refused, and nothing new is begun."""
    listeners = [Listener() for _ in range(5)]
    for one in listeners:
        engine.submit(ask(run, "3 plus", max_new_tokens=4), one)
    all_slots_taken(engine, slow)
    engine.close(seconds=60.0, wait=False)
    with pytest.raises(Closing):
        engine.submit(ask(run, "3 plus"), Listener())
    slow.gate.release(2000)
    engine.close()
    ends = [one.wait().end for one in listeners]
    assert [end.reason == "error" for end in ends] == [False] * 3 + [True] * 2
    assert ends[4].error == engine_module.GOING_DOWN


def test_what_takes_too_long_is_ended_when_it_closes(run, engine, slow):
    """With a sentence."""
    listener = Listener()
    engine.submit(ask(run, "3 plus", max_new_tokens=10**6), listener)
    until(lambda: engine.counters["running"] == 1)
    engine.close(seconds=0.0, wait=False)
    slow.gate.release(2000)
    engine.close()
    assert listener.wait().end.error == engine_module.GOING_DOWN


def test_a_turn_that_fails_does_not_end_the_service(run, engine, monkeypatch, caplog):
    """Those in work are told; the next one is served. What it was stands in the log alone."""
    whole = write(engine, ask(run, "3 plus"))[0].text
    read, calls = engine._slots.read, []

    def fail(parts):
        calls.append(parts)
        if len(calls) == 3:
            raise MemoryError("no room")
        return read(parts)

    monkeypatch.setattr(engine._slots, "read", fail)
    (found,) = write(engine, ask(run, "3 plus"))
    assert found.end.reason == "error"
    assert found.end.error == engine_module.FAILED and "no room" in caplog.text
    assert write(engine, ask(run, "3 plus"))[0].text == whole
    assert engine.counters["running"] == 0


@pytest.fixture
def two_hands(tmp_path):
    """Return a run, and an engine with a second hand; the tests have one thread otherwise."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    run = small_run(tmp_path)
    engine = Engine(run, slots=24, queue=24)
    torch.set_num_threads(threads)
    yield run, engine
    engine.close()


def readers(engine, monkeypatch, trouble=()):
    """Return the names of the threads that read, as they do; those in `trouble` fail once."""
    read, names, left = engine._slots.read, [], list(trouble)

    def note(parts):
        name = threading.current_thread().name.partition("_")[0]
        names.append(name)
        if name in left:
            left.remove(name)
            raise MemoryError(f"no room for {name}")
        return read(parts)

    monkeypatch.setattr(engine._slots, "read", note)
    return names


def test_two_hands_write_what_one_does(two_hands, monkeypatch):
    run, engine = two_hands
    asks = [
        ask(run, PROMPTS[i % 7], seed=i, n_top=2, strategy=Sample(), max_new_tokens=60)
        for i in range(24)
    ]
    names = readers(engine, monkeypatch)
    alone = [write(engine, one)[0].tokens for one in asks]
    assert set(names) == {"bardling engine"}
    assert [listener.tokens for listener in write(engine, *asks)] == alone
    assert set(names) == {"bardling engine", "bardling hand"}


def test_each_hand_has_room_of_its_own(two_hands):
    run, engine = two_hands
    slots = engine._slots
    part = slots_module.Part(0, run.tokenizer.encode("3 plus"), 0)

    def room():
        slots.read([part])
        return {name: place.data_ptr() for name, place in slots._own.decoder._room.items()}

    here = room()
    with ThreadPoolExecutor(1) as other:
        there = other.submit(room).result()
    assert len(here) > 5 and set(here.values()).isdisjoint(there.values())


@pytest.mark.parametrize("name", ["bardling engine", "bardling hand"])
def test_a_hand_that_fails_ends_the_turn_for_both(two_hands, monkeypatch, caplog, name):
    run, engine = two_hands
    asks = [ask(run, "3 plus", seed=i) for i in range(24)]
    names = readers(engine, monkeypatch)
    whole = texts(write(engine, *asks))
    monkeypatch.undo()
    readers(engine, monkeypatch, [name])
    assert engine_module.FAILED in {listener.end.error for listener in write(engine, *asks)}
    assert f"no room for {name}" in caplog.text and "bardling hand" in names
    assert texts(write(engine, *asks)) == whole and engine.counters["running"] == 0


def test_a_text_that_cannot_be_gone_on_with_ends_alone(run, engine, monkeypatch, caplog):
    whole = write(engine, ask(run, "3 plus"))[0].text
    go_on = Writing.write

    def fail(writing, token, logits):
        if writing.ask.seed == 13:
            raise KeyError("of this text")
        return go_on(writing, token, logits)

    monkeypatch.setattr(Writing, "write", fail)
    one, other = write(engine, ask(run, "3 plus"), ask(run, "3 plus", seed=13))
    assert one.text == whole and other.end.error == engine_module.FAILED
    assert "of this text" in caplog.text and engine.counters["running"] == 0
