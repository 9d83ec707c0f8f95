"""`bardling train --dry-run`: what a run would take, on one page."""

SMALL = (
    *("--model.n-layer", 1, "--model.n-embd", 16, "--model.n-head", 1),
    *("--model.block-size", 16, "--batch-size", 4),
)


def test_the_verb_prints_it_and_stops(cli, text, tmp_path):
    words = (*SMALL, "--runs-dir", tmp_path / "r", "--dry-run")
    done = cli("train", text, "--budget", "30steps", *words)
    assert done.code == 0 and not (tmp_path / "r").exists()
    rows = dict(line.split(maxsplit=1) for line in done.out.splitlines())
    assert list(rows) == ["on", "text", "model", "steps", "checks", "time", "memory"]
    assert rows["steps"].startswith("30 of 64 tokens, ")
    assert rows["time"].rstrip().endswith(" s)")
    assert "1 layers, 16 wide, 1 heads, context 16" in rows["model"]


def test_what_the_run_would_refuse_is_refused(cli, text):
    words = ("--dry-run", "--model.block-size", 100_000)
    done = cli("train", text, "--budget", "30steps", *words)
    assert done.code == 1 and "this machine has" in done.err
