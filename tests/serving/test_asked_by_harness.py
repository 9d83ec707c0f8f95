"""lm-evaluation-harness asks a server, and hears what our own answers to it are."""

from types import SimpleNamespace

import pytest

from bardling.evaluation.harness import Answers
from bardling.interchange.exporting import export
from servers import random_run, serving

pytestmark = pytest.mark.filterwarnings("ignore")  # of the library and what it loads
PAIRS = [("3 plus 4 is", " 7"), ("the sum of 3 and 4", " is 7"), ("one", " two three " * 3)]


def asked(*arguments: object) -> SimpleNamespace:
    return SimpleNamespace(args=arguments)


@pytest.mark.parametrize("batch_size", [1, 2])
def test_a_server_is_asked_as_any_other(tmp_path, monkeypatch, batch_size):
    library = pytest.importorskip("lm_eval.models.openai_completions")
    monkeypatch.setenv("no_proxy", "*")
    run = random_run(tmp_path)
    folder = export(run, "huggingface", out=tmp_path / "out")[0].path
    answers = Answers(run.model, run.tokenizer)
    with serving(run, runs_dir=tmp_path) as place:
        theirs = library.LocalCompletionsAPI(
            model="plain",
            base_url=f"{place.url}/v1/completions",
            tokenizer=str(folder),
            tokenizer_backend="huggingface",
            batch_size=batch_size,
            max_length=40,
        )
        pairs = [asked(*pair) for pair in PAIRS]
        found = theirs.loglikelihood(pairs, disable_tqdm=True)
        wishes = {"until": ["\n"], "max_gen_toks": 12, "do_sample": False}
        texts = [asked("3 plus", dict(wishes)), asked("12 plus 30 is", dict(wishes))]
        written = theirs.generate_until(texts, disable_tqdm=True)
    for (nats, greedy), (expected, likeliest) in zip(
        found, answers.loglikelihood(pairs), strict=True
    ):
        assert nats == pytest.approx(expected, abs=1e-4) and greedy == likeliest
    assert written == answers.generate_until(texts)
