"""`bardling check`: a line for each check, a sentence at the end, and the exit code."""

import pytest

import bardling
from bardling.evaluation.checks.finding import failed, passed, skipped, warned
from bardling.presets.own import demo
from bardling.presets.table import config_for

FINDINGS = [
    passed("one", "as it [red] should :cat:"),
    warned("two", "noted"),
    skipped("three", "-"),
]


@pytest.fixture
def check(cli, text):
    """Call `bardling check` on the small text with small settings."""
    sizes = ("--model.n-layer", 1, "--model.n-head", 2, "--model.n-embd", 16)
    rest = ("--model.block-size", 16, "--batch-size", 8, "--budget", "40steps")
    fixed = ("--machine.precision", "fp32")
    return lambda *words: cli("check", text, *sizes, *rest, *fixed, *words)


@pytest.fixture
def asked(monkeypatch):
    """Replace the checks; return what they were asked, and let a test say what they find."""
    calls, found = [], list(FINDINGS)

    def pretend(config, **options):
        calls.append((config, options))
        return iter(found)

    monkeypatch.setattr(bardling, "check_config", pretend)
    return calls, found


def test_a_sound_setting(check):
    done = check()
    assert (done.code, done.err) == (0, "")
    *rows, empty, end = done.out.splitlines()
    assert [row.split("  ")[0] for row in rows] == ["ok"] * 11
    assert rows[0].startswith("ok    round trip    ") and " characters from two places" in rows[0]
    assert rows[-1].startswith("ok    one batch     4 rows of 16 tokens: 0.0")
    assert (empty, end) == ("", "all 11 checks passed.")


def test_notes_do_not_mix_with_findings(check, text):
    text.write_bytes(text.read_bytes().replace(b"\n", b"\r\n"))
    done = check()
    assert done.err.startswith("note  ") and "CRLF" in done.err and "CRLF" not in done.out


def test_a_broken_setting(check):
    done = check("--optimizer", "sgd", "--optimizer.lr", 1e6, "--clip-norm", 0)
    assert done.code == 1 and done.err == ""
    assert "\nFAIL  first losses  " in done.out
    assert "of 11 checks failed: " in done.out.splitlines()[-1]
    assert done.out.endswith("first losses.\n")


def test_what_is_noted_and_not_looked_at_is_named(cli, asked):
    done = cli("check", "demo")
    assert done.code == 0
    assert done.out.splitlines() == [
        "ok    one           as it [red] should :cat:",
        "note  two           noted",
        "skip  three         -",
        "",
        "1 of 3 checks passed and none failed; to be noted: two; not looked at: three.",
    ]


def test_one_failure_is_enough(cli, asked):
    asked[1][:] = [*FINDINGS, failed("four", "broken"), failed("five", "broken")]
    done = cli("check", "demo")
    assert done.code == 1
    assert "\nFAIL  four          broken\n" in done.out
    assert done.out.endswith("\n2 of 5 checks failed: four, five.\n")


def test_settings_are_those_of_train(cli, asked, tmp_path):
    calls, _ = asked
    words = ("--optimizer", "muon", "--optimizer.muon-lr", 0.02, "--keep-at", "2,4", "--seed", 3)
    assert cli("check", "demo", *words, "--data-dir", tmp_path, "--device", "cpu").code == 0
    config, options = calls[0]
    assert config.optimizer.muon_lr == 0.02 and config.training.keep_at == (2, 4)
    assert config.training.seed == 3 and config.data.corpus == "stories"
    assert config.model == demo().config.model
    assert options["device"] == "cpu" and options["data_dir"] == tmp_path
    assert cli("check", "demo").code == 0
    assert calls[1][1]["device"] is None


@pytest.mark.parametrize("budget", ["60s", "20m", "300steps"])
def test_a_preset_has_the_size_that_it_has_for_the_budget(cli, asked, budget):
    assert cli("check", "shakespeare", "--budget", budget).code == 0
    expected = config_for("shakespeare", budget)
    assert asked[0][0][0].model == expected.model


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "the corpus or preset comes first: bardling check CORPUS|PRESET"),
        (("--seed", 3), 2, "the corpus or preset comes first"),
        (("shakespear",), 2, "did you mean 'shakespeare'?"),
        (("demo", "--bugdet", "3steps"), 2, "check has no option '--bugdet', did you mean"),
        (("demo", "--name", "x"), 2, "check has no option '--name'"),
        (("demo", "--optimizer", "muno"), 2, "'muno' is no optimizer, did you mean 'muon'?"),
        (("seed-001", "--model.n-head", 5), 1, "not divisible by n_head 5"),
    ],
)
def test_what_is_refused(cli, words, code, said):
    done = cli("check", *words)
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith("bardling: ") and done.err.count("\n") == 1 and said in done.err


def test_a_device_that_is_not_there_is_one_sentence(check, monkeypatch):
    monkeypatch.setattr("bardling.machine.device.available_devices", lambda: ["cpu"])
    done = check("--device", "mps")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("bardling: ") and done.err.count("\n") == 1
    assert "there is cpu" in done.err


def test_a_terminal_gets_lines_of_its_width(cli, asked, monkeypatch):
    asked[1][:] = [passed("one", "word " * 40)]
    monkeypatch.setattr("bardling.reporting.screen.PIPE_WIDTH", 80)
    lines = cli("check", "demo").out.splitlines()
    assert max(map(len, (line.rstrip() for line in lines))) <= 80
    assert lines[1].startswith(" " * 20 + "word")
