"""`bardling generate`: to the screen and to files, in sweeps, and every character as it is."""

import re
import shutil
from pathlib import Path

import pytest

from bardling.api import Run


@pytest.fixture(autouse=True)
def _where_runs_are(monkeypatch, cli, trained):
    monkeypatch.setenv("BARDLING_RUNS", str(trained.folder.path.parent))


def loss_at(trained, step: int) -> str:
    [loss] = [r["val_loss"] for r in trained.metrics() if r["step"] == step and "val_loss" in r]
    return f"{loss:.4f}"


def test_the_prompt_then_the_text(cli, trained):
    done = cli("generate", "demo", "--prompt", "one and", "--max-new-tokens", 9)
    assert (done.code, done.err) == (0, "")
    assert done.out == "one and" + trained.generate("one and", max_new_tokens=9) + "\n"


def test_the_seed_decides(cli):
    first, again, other = (
        cli("generate", "demo", "--max-new-tokens", 12, "--seed", seed).out for seed in (1, 1, 2)
    )
    assert first == again != other


def test_streaming_equals_whole(cli, tmp_path):
    words = ("generate", "demo", "--prompt", "two", "--max-new-tokens", 12, "--seed", 3)
    streamed = cli(*words).out
    path = tmp_path / "out" / "text.txt"
    done = cli(*words, "--output", path)
    assert (done.code, done.out) == (0, f"{path}\n")
    _, _, text = path.read_text().partition("\n\n")
    assert text == streamed


def test_a_file_says_how_its_text_came_about(cli, trained, tmp_path):
    path = tmp_path / "text.txt"
    cli(
        *("generate", "demo", "--prompt", "o[red]", "--max-new-tokens", 3, "--seed", 5),
        *("--temperature", 0.5, "--top-k", 4, "--top-p", 0.9, "--stop", "\n", "--output", path),
    )
    run, how, blank, *_ = path.read_text().split("\n")
    assert run == f"# run=demo step={trained.step} val_loss={loss_at(trained, trained.step)}"
    assert how == (
        "# temperature=0.5 top_k=4 top_p=0.9 seed=5 max_new_tokens=3 num_samples=1 "
        "stop=['\\n'] prompt='o[red]'"
    )
    assert blank == ""


def test_a_sweep_makes_one_file_for_each_combination(cli, trained, tmp_path):
    done = cli(
        *("generate", "demo", "--prompt", "one", "--max-new-tokens", 2, "--checkpoint", "all"),
        *("--temperature", 0, 0.7, "--top-k", 0, 5, "--top-p", 0.9, 1),
        *("--output", tmp_path / "sweep.txt"),
    )
    assert done.code == 0
    paths = [Path(line) for line in done.out.splitlines()]
    steps = trained.folder.steps()
    names = {
        f"sweep-step{step}-t{t}-k{k}-p{p}.txt"
        for step in steps
        for t in ("0", "0.7")
        for k in ("0", "5")
        for p in ("0.9", "1")
    }
    assert {p.name for p in paths} == names and len(paths) == len(names) == 8 * len(steps)
    for path in paths:
        step, t, k, p = re.fullmatch(r"sweep-step(\d+)-t(.+)-k(.+)-p(.+)\.txt", path.name).groups()
        head = path.read_text().splitlines()
        assert head[0] == f"# run=demo step={step} val_loss={loss_at(trained, int(step))}"
        assert head[1].startswith(f"# temperature={t} top_k={k} top_p={p} seed=0 ")
    greedy = {p.read_text().partition("\n\n")[2] for p in paths if "step0-t0-" in p.name}
    assert len(greedy) == 1


def test_a_sweep_on_the_screen_has_headers(cli):
    done = cli("generate", "demo", "--max-new-tokens", 2, "--top-k", 1, 2)
    assert done.out.count("# run=demo") == 2
    assert "top_k=1 " in done.out and "top_k=2 " in done.out


def test_several_samples_are_set_apart(cli, trained):
    done = cli("generate", "demo", "--prompt", "one", "--max-new-tokens", 4, "--num-samples", 3)
    texts = trained.samples("one", 3, max_new_tokens=4)
    assert done.out == "".join(
        f"--- sample {i} ---\none{text}\n\n" for i, text in enumerate(texts, start=1)
    )


def test_beams(cli, trained, tmp_path):
    words = ("generate", "demo", "--prompt", "one", "--max-new-tokens", 4, "--beams")
    best = trained.samples("one", 2, max_new_tokens=4, beams=2)
    assert cli(*words, 2).out == f"one{best[0]}\n"
    both = cli(*words, 2, "--num-samples", 2).out
    assert both == "".join(f"--- sample {i} ---\none{t}\n\n" for i, t in enumerate(best, 1))
    greedy = cli(*words[:-1], "--temperature", 0).out
    assert cli(*words, 1).out == greedy
    path = tmp_path / "beams.txt"
    cli(*words, 2, "--output", path)
    assert path.read_text().splitlines()[1].startswith("# beams=2 seed=0 max_new_tokens=4 ")


def test_stop_ends_before_the_string(cli):
    words = ("generate", "demo", "--prompt", "one", "--max-new-tokens", 12)
    whole = cli(*words).out.removeprefix("one").removesuffix("\n")
    stop = whole[5:7]
    assert cli(*words, "--stop", "unseen", stop).out == f"one{whole[: whole.index(stop)]}\n"


@pytest.mark.parametrize("checkpoint", ["best", "last", "0", "4"])
def test_checkpoints(cli, trained, tmp_path, checkpoint):
    path = tmp_path / "text.txt"
    cli(
        *("generate", "demo", "--max-new-tokens", 1, "--checkpoint", checkpoint),
        *("--output", path),
    )
    step = {"best": trained.step, "last": 12}.get(checkpoint) or int(checkpoint)
    assert f"step={step} " in path.read_text()


def test_what_is_done_to_a_prompt_is_said_beside_the_text(cli, trained):
    done = cli("generate", "demo", "--prompt", "oÀneÉ", "--max-new-tokens", 1, "--top-k", 1, 2)
    assert done.code == 0 and done.out.count("\none") == 2
    assert (
        done.err == "note  2 characters are unknown to the tokenizer and dropped from the prompt\n"
    )
    done = cli("generate", "demo", "--prompt", "À", "--max-new-tokens", 1)
    assert "nothing of the prompt is left: starting from a newline" in done.err
    long = "one and two make three."
    done = cli("generate", "demo", "--prompt", long, "--max-new-tokens", 1)
    assert done.err == "note  the prompt has 23 tokens: only the last 16 are seen\n"
    assert done.out.startswith(long[-16:])


def test_a_prompt_like_markup_is_text(cli, trained):
    for prompt in ("[red]", "[/]", ":cat:", "\\[a]", "[bold]"):
        for several in (1, 2):
            done = cli(
                *("generate", "demo", "--prompt", prompt, "--max-new-tokens", 1),
                *("--num-samples", several),
            )
            assert (done.code, done.err) == (0, "")
            assert done.out.count(prompt) >= several, prompt


NASTY = "[red]a[/] :cat: [/nothing] \\[b] \t| \x07 \r\n[bold]"


@pytest.mark.parametrize("where", ["screen", "samples", "file"])
def test_what_the_model_writes_arrives_as_it_is(cli, tmp_path, monkeypatch, where):
    monkeypatch.setattr(Run, "samples", lambda self, prompt, n, **settings: [NASTY] * n)
    monkeypatch.setattr(Run, "stream", lambda self, prompt, **settings: iter(NASTY))
    path = tmp_path / "a [red] :cat: file.txt"
    words = {"screen": (), "samples": ("--num-samples", 2), "file": ("--output", path)}[where]
    done = cli("generate", "demo", "--prompt", "one", *words)
    assert done.code == 0
    if where == "file":
        assert done.out == f"{path}\n"
        assert path.read_bytes().endswith(f"\n\none{NASTY}\n".encode())
    else:
        assert done.out.count(f"one{NASTY}\n") == (2 if where == "samples" else 1)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--temperature", "-1"), 1, "temperature is -1.0"),
        (("--top-p", "0"), 1, "top-p is 0.0"),
        (("--top-p", "1.5"), 1, "top-p is 1.5"),
        (("--top-k", "-2"), 1, "top-k is -2"),
        (("--num-samples", "0"), 1, "at least 0 tokens, and 1 to 4,096"),
        (("--max-new-tokens", "-1"), 1, "at least 0 tokens, and 1 to 4,096"),
        (("--beams", "2", "--num-samples", "3"), 1, "2 beams give at most 2 texts, not 3"),
        (("--checkpoint", "5"), 1, "demo has no checkpoint of step 5; it has 0, 4, "),
        (("--checkpoint", "newest"), 2, "'newest' names no checkpoint; say best, last or one of"),
        (("--checkpoint", "²"), 2, "'²' names no checkpoint"),
        (("--promt", "x"), 2, "did you mean '--prompt'?"),
    ],
)
def test_refusals(cli, tmp_path, words, code, said):
    path = tmp_path / "text.txt"
    done = cli("generate", "demo", "--output", path, *words)
    assert done.code == code and said in done.err and done.err.startswith("bardling: ")
    assert not path.exists() and done.out == ""


def test_runs_are_found_by_name_path_and_dot_and_missed_with_the_nearest(cli, trained, monkeypatch):
    words = ("--max-new-tokens", 2, "--top-k", 1, 1)
    by_name = cli("generate", "demo", *words).out
    assert cli("generate", trained.folder.path, *words).out == by_name
    assert cli("generate", "demo", "--runs-dir", trained.folder.path.parent, *words).out == by_name
    monkeypatch.chdir(trained.folder.path)
    assert cli("generate", ".", *words).out == by_name
    done = cli("generate", "dmeo")
    assert done.code == 2 and "no run 'dmeo', did you mean 'demo'?; runs in" in done.err


def test_a_damaged_checkpoint_is_named(cli, trained, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(trained.folder.path, copy)
    path = copy / "checkpoints" / "step-000004" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    done = cli("generate", copy, "--checkpoint", "4")
    assert done.code == 1 and "step-000004" in done.err and "cannot be used" in done.err
    shutil.rmtree(copy / "checkpoints")
    assert "has no complete checkpoint" in cli("generate", copy).err
