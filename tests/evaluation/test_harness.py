"""lm-evaluation-harness asks a model, and is told what transformers' model of the same tells it."""

import json
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from bardling.errors import UsageError
from bardling.evaluation.harness import Answers, measure
from bardling.interchange.exporting import export
from bardling.model.gpt import GPT
from bardling.text.tokenizer import Tokenizer
from families import TOKENIZERS, family, randomised, run_of

pytestmark = pytest.mark.filterwarnings("ignore")  # of the library and what it loads
BPE = TOKENIZERS["bpe"]
PAIRS = [
    ("3 plus 4 is", " 7"),
    ("", "12 plus 1"),
    ("the sum of 3 and 4 ", "is 7"),
    ("3 plus 4 is " * 20, "a number"),
]
ODD = [("one", " two three " * 20), ("  ", "5")]  # their reader takes neither as it stands
TEXTS = ["3 plus 4 is 7\n", "12 plus 5 is 17\n" * 15, "7"]


@pytest.fixture(scope="module")
def model() -> GPT:
    """Return a model of random weights that reads 16 tokens."""
    return randomised(family("llama", vocab_size=BPE.vocab_size))


def asked(*arguments: object) -> SimpleNamespace:
    """Return a question as the library puts it."""
    return SimpleNamespace(args=arguments)


@pytest.fixture(scope="module")
def theirs(model: GPT, tmp_path_factory: pytest.TempPathFactory):
    """Return the library's own reader of the same model, exported."""
    folder = tmp_path_factory.mktemp("harness")
    huggingface = pytest.importorskip("lm_eval.models.huggingface")
    run = run_of(model, BPE, folder / "run")
    out = export(run, "huggingface", out=folder / "out")[0].path
    return huggingface.HFLM(pretrained=str(out), device="cpu", dtype="float32", batch_size=1)


def test_pairs_are_as_likely_as_by_transformers(model: GPT, theirs) -> None:
    """Empty, longer than the context, with spaces between."""
    ours = Answers(model, BPE).loglikelihood([asked(*pair) for pair in PAIRS])
    oracle = theirs.loglikelihood([asked(*pair) for pair in PAIRS], disable_tqdm=True)
    for (nats, greedy), (expected, likeliest) in zip(ours, oracle, strict=True):
        assert nats == pytest.approx(expected, abs=1e-4)
        assert greedy == likeliest
    assert all(
        math.isfinite(nats)
        for nats, _ in Answers(model, BPE).loglikelihood([asked(*pair) for pair in ODD])
    )


def test_texts_are_as_likely_as_by_transformers(model: GPT, theirs) -> None:
    """Every token once, also where the text is longer than the context."""
    ours = Answers(model, BPE).loglikelihood_rolling([asked(text) for text in TEXTS])
    oracle = theirs.loglikelihood_rolling([asked(text) for text in TEXTS], disable_tqdm=True)
    assert ours == pytest.approx(oracle, abs=1e-3)


def test_company_changes_no_answer(model: GPT) -> None:
    """Padding and neighbours are not seen."""
    answers = Answers(model, BPE)
    together = answers.loglikelihood([asked(*pair) for pair in PAIRS])
    alone = [answers.loglikelihood([asked(*pair)])[0] for pair in PAIRS]
    assert [a for a, _ in together] == pytest.approx([a for a, _ in alone], abs=1e-5)


def test_a_greedy_text_is_known_as_one(model: GPT) -> None:
    """What the model writes greedily is what it says it would write."""
    answers = Answers(model, BPE)
    (written,) = answers.generate_until([asked("3 plus 4 is", {"max_gen_toks": 5})])
    assert written == bardling_text(model, BPE, "3 plus 4 is", 5)
    (cut,) = answers.generate_until(
        [asked("3 plus 4 is", {"max_gen_toks": 5, "until": [written[1]]})]
    )
    assert cut == written[: written.index(written[1])]


def bardling_text(model: GPT, tokenizer: Tokenizer, prompt: str, count: int) -> str:
    """Write greedily by reading everything anew for each token."""
    ids = tokenizer.encode(prompt)
    with torch.no_grad():
        for _ in range(count):
            ids.append(int(model(torch.tensor([ids[-16:]]))[0, -1].argmax()))
    return tokenizer.decode(ids[-count:])


def test_a_model_that_sees_the_future_is_refused() -> None:
    """Its likelihoods would be lies."""
    config = family("llama", attention="unmasked")
    with pytest.raises(UsageError, match="future"):
        Answers(GPT(config), BPE)


@pytest.fixture
def task(tmp_path: Path) -> Path:
    """Return a file that describes a task with two questions."""
    rows = [{"question": "3 plus 4 is", "answers": ["7", "8"], "right": 0},
            {"question": "1 plus 1 is", "answers": ["5", "2"], "right": 1}]  # fmt: skip
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = tmp_path / "little_sums.yaml"
    path.write_text(
        "task: little_sums\n"
        "dataset_path: json\n"
        f"dataset_kwargs:\n  data_files:\n    test: {data}\n  cache_dir: {tmp_path / 'cache'}\n"
        "test_split: test\n"
        "output_type: multiple_choice\n"
        'doc_to_text: "{{question}}"\n'
        'doc_to_choice: "{{answers}}"\n'
        'doc_to_target: "{{right}}"\n'
        "metric_list:\n  - metric: acc\n    aggregation: mean\n    higher_is_better: true\n"
    )
    return path


def test_a_task_of_ones_own_is_measured(model: GPT, task: Path) -> None:
    """Accuracy is that of comparing likelihoods by hand."""
    pytest.importorskip("lm_eval")
    (figure,) = measure(model, BPE, [str(task)])
    answers = Answers(model, BPE)
    first = answers.loglikelihood([asked("3 plus 4 is", " 7"), asked("3 plus 4 is", " 8")])
    second = answers.loglikelihood([asked("1 plus 1 is", " 5"), asked("1 plus 1 is", " 2")])
    expected = ((first[0] > first[1]) + (second[1] > second[0])) / 2
    assert (figure.task, figure.metric, figure.examples) == ("little_sums", "acc", 2)
    assert figure.value == expected


def test_an_unknown_task_is_one_sentence(model: GPT) -> None:
    """Not a traceback of the library's."""
    pytest.importorskip("lm_eval")
    with pytest.raises(UsageError, match="knows no task 'nonesuch'"):
        measure(model, BPE, ["nonesuch"])
