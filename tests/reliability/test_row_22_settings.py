"""Settings cannot exhaust the machine: what has no room or no meaning is refused at once.

They come from Python, from a command line and from files that someone else has written; nothing
is allocated for them first, and where memory is the reason, the sentence has the bytes.
"""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from promises import Protection

import bardling
from bardling import api, cli
from bardling.checkpoint import load_checkpoint
from bardling.config import RunConfig
from bardling.data.token_folder import read_index
from bardling.errors import BardlingError
from bardling.model.config import ModelConfig
from bardling.model.gpt import GPT
from bardling.model.size import count_parameters, fixed_memory, model_memory
from bardling.run_folder import RunFolder
from bardling.storage import sha256
from bardling.text.tokenizer_file import load_tokenizer
from tiny import SETTINGS, write_text

SECONDS, MEGABYTES = 5.0, 300.0  # a second is promised, on a machine that has the time
QUICK = SETTINGS | {"budget": "2steps", "eval_interval_steps": 2}
GIB = " GiB, and this machine has "

SIZES: dict[str, dict[str, Any]] = {
    "layers": {"n_layer": 10**9},
    "thin layers": {"n_layer": 10**9, "n_embd": 1, "n_head": 1, "position": "none"},
    "layers of nothing": {"n_layer": 10**9, "attention": "none", "feedforward": "none"},
    "width": {"n_embd": 2**40},
    "inner width": {"d_ff": 2**40},
    "heads": {"n_head": 2**40, "head_dim": 2},
    "width of a head": {"head_dim": 2**40},
    "vocabulary": {"vocab_size": 2**40},
    "context": {"block_size": 2**40},
    "learned places": {"block_size": 2**40, "position": "learned"},
    "averages": {"block_size": 2**24, "attention": "uniform"},
    "everything": {"n_layer": 2**62, "n_embd": 2**62, "d_ff": 2**62, "block_size": 2**62},
}
"""Models that no machine can hold."""

BATCHES: dict[str, dict[str, Any]] = {
    "batch": {"batch_size": 2**20, "block_size": 2**14},
    "long batch": {"batch_size": 2, "block_size": 2**24},
}

WRONG: tuple[tuple[str, Any], ...] = (
    *(("n_layer", value) for value in (-1, 1.5, 4.0, 1e9, "4", True, None, [4], {}, 10**30)),
    *(("vocab_size", -1), ("n_embd", 0), ("n_embd", 2**64), ("n_head", -(2**63)), ("d_ff", 0)),
    *(("lr", value) for value in (float("nan"), float("inf"), -1.0, "fast", 10**400)),
    *(("batch_size", value) for value in (0, 2**40, float("nan"))),
    *(
        ("accumulate", 2**40),
        ("threads", 10**9),
        ("dropout", 1.0),
        ("dropout", float("nan")),
        ("rope_base", 0),
    ),
    *(("schedule", "x" * 10**6), ("attention", "x" * 10**6), ("budget", "9" * 10**6 + "steps")),
    *(("budget", "-1steps"), ("budget", "1\n2"), ("keep_at", [-1]), ("keep_at", "x" * 10**6)),
    *(("seed", 2**64), ("seed", 10**5000), ("no_such_thing", 1), ("y" * 10**6, 1), ("a\nb", 1)),
)
"""Values that no run can have."""

WORDS: tuple[tuple[str, Any], ...] = (
    *(("tokenizer", "x" * 10**6), ("tokenizer", "bpe:" + "9" * 5000), ("tokenizer", "a\0b")),
    *(("budget", "999999999999999Gsteps"), ("budget", "999999999999999Gepochs")),
    *(("val_fraction", 5e-324), ("val_fraction", 1 - 2**-53)),
)
"""Settings that only a run can know to be wrong."""

DEEP = ("[" * 10_000 + "]" * 10_000, '{"model":' * 10_000 + "1" + "}" * 10_000, "[" * 10**6)


PROTECTIONS = (
    Protection(
        file="model/gpt.py",
        line="        require_room(config)\n",
        broken="",
        test="test_a_model_without_room_is_not_begun_to_be_built[width]",
    ),
    Protection(
        file="model/size.py",
        line="    layers = config.n_layer * (table + angles + _BLOCK_BYTES)",
        broken="    layers = config.n_layer * (table + angles)",
        test="test_the_estimate_is_what_a_model_holds",
    ),
    Protection(
        file="fields.py",
        line="    if isinstance(value, float) and not math.isfinite(value):",
        broken="    if False:",
        test="test_what_has_no_room_or_no_meaning_is_refused_at_once",
    ),
    Protection(
        file="storage/folders.py",
        line="limit_bytes=min(entry[0], limit_bytes)",
        broken="limit_bytes=entry[0]",
        test="test_what_has_no_room_or_no_meaning_is_refused_at_once",
    ),
)


def resident_peak() -> float:
    """Return the most megabytes that this process has held since `forget_peak`."""
    report = Path("/proc/self/status").read_text()
    return int(report.split("VmHWM:")[1].split()[0]) / 1000


def forget_peak() -> None:
    with suppress(OSError):  # not everywhere may a process do that
        Path("/proc/self/clear_refs").write_text("5")


class Judge:
    """Tries what is to be refused, and keeps what was not as promised."""

    def __init__(self) -> None:
        self.n_tried, self.slowest, self.grown = 0, 0.0, 0.0
        self.wrong: list[str] = []

    def refuses(self, name: str, act: Callable[[], object], part: str = "") -> None:
        """Try something that has to be refused in one sentence, with `part` in it."""
        forget_peak()
        before, began = resident_peak(), time.perf_counter()
        try:
            act()
            said = "nothing was refused"
        except BardlingError as error:
            said = str(error)
            if part in said and "\n" not in said and len(said) < 1000:
                said = ""
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
        seconds, grown = time.perf_counter() - began, resident_peak() - before
        self.n_tried += 1
        self.slowest, self.grown = max(self.slowest, seconds), max(self.grown, grown)
        if said or seconds > SECONDS or grown > MEGABYTES:
            self.wrong.append(f"{name}: {seconds:.1f} s, +{grown:.0f} MB, {said[:300]!r}")


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> Path:
    return write_text(tmp_path_factory.mktemp("text"))


@pytest.fixture(scope="module")
def run(text, tmp_path_factory) -> RunFolder:
    """Return a run that has ended."""
    return bardling.train(text, name="x", runs_dir=tmp_path_factory.mktemp("runs"), **QUICK).folder


def places(settings: dict[str, Any]) -> dict[str, Any]:
    """Return a whole config as JSON, with some settings where they belong."""
    values = RunConfig().to_json()
    for name, value in settings.items():
        parts = [
            part for part, group in values.items() if isinstance(group, dict) and name in group
        ]
        values[parts[0] if parts else "model"][name] = value
    return values


def rewritten(run: RunFolder, folder: Path, name: str, data: bytes | Path) -> Path:
    """Return a copy of a run's last checkpoint with another file in it, vouched for.

    A path is that of a file which is linked, because it is large.
    """
    source = run.checkpoint_path(2)
    target = folder / source.name
    target.mkdir(parents=True)
    listed = json.loads((source / "manifest.json").read_text())["files"]
    for known in source.iterdir():
        (target / known.name).write_bytes(known.read_bytes())
    (target / name).unlink()
    if isinstance(data, Path):
        (target / name).symlink_to(data)
        listed[name] = {"bytes": data.stat().st_size, "sha256": "0" * 64}
    else:
        (target / name).write_bytes(data)
        listed[name] = {"bytes": len(data), "sha256": sha256(data)}
    if name != "manifest.json":
        (target / "manifest.json").write_text(json.dumps({"files": listed}))
    return target


def try_python(judge: Judge, text: Path, folder: Path) -> None:
    def train(**settings: Any) -> Callable[[], object]:
        name = f"x{judge.n_tried}"
        return lambda: bardling.train(text, name=name, runs_dir=folder, **QUICK | settings)

    for name, settings in (SIZES | BATCHES).items():
        judge.refuses(f"train, {name}", train(**settings), GIB)
    for name, value in (*WRONG, *WORDS):
        judge.refuses(f"train, {name[:20]} {str_of(value)[:20]}", train(**{name: value}))
    for name, value in WRONG:
        values = places({name: value})
        judge.refuses(f"JSON, {name[:20]}", partial(RunConfig.from_json, values))
    for what in (None, [], "x" * 10**6, 1, {"model": []}, {"model": {"n_layer": {"n_layer": 1}}}):
        judge.refuses(f"JSON of {what!r:.20}", partial(RunConfig.from_json, what))


def try_command_line(judge: Judge, text: Path, folder: Path, heard: Callable[[], str]) -> None:
    parts = {name: part for part in ("model", "optimizer") for name in RunConfig().to_json()[part]}

    def command(settings: dict[str, Any], codes: tuple[int, ...]) -> None:
        words = ["train", str(text), "--runs-dir", str(folder), "--name", f"y{judge.n_tried}"]
        for name, value in settings.items():
            option = f"--{parts[name]}." if name in parts else "--"
            words += [option + name.replace("_", "-"), str(value)]
        code = cli.main(words)
        said = " ".join(heard().split())
        assert code in codes and "Traceback" not in said, (code, said[:300])
        raise BardlingError(said if codes == (1,) else "refused")

    for name, settings in (SIZES | BATCHES).items():
        whole = {"n_head": 2} | settings
        judge.refuses(f"words, {name}", partial(command, whole, (1,)), GIB)
    words = [(n, v) for n, v in WRONG if not isinstance(v, list | dict) and len(str_of(v)) < 10**5]
    for name, value in (*words, *WORDS[3:]):
        if str_of(value) not in ("4", "4.0") and "\0" not in str_of(value):
            act = partial(command, {name: str_of(value)}, (1, 2))
            judge.refuses(f"words, {name[:20]} {str_of(value)[:20]}", act)


def str_of(value: Any) -> str:
    try:
        return str(value)
    except ValueError:  # a number of more digits than Python likes to print
        return "9" * 5000


def try_files(judge: Judge, run: RunFolder, folder: Path) -> None:
    numbers = iter(range(10**6))

    def checkpoint(name: str, data: bytes | Path) -> Callable[[], object]:
        path = rewritten(run, folder / str(next(numbers)), name, data)
        return lambda: load_checkpoint(path)

    def settings(**wrong: Any) -> dict[str, Any]:
        values = json.loads((run.checkpoint_path(2) / "config.json").read_text())
        changed = places(wrong)
        for part, group in values.items():
            if isinstance(group, dict):
                group |= {n: v for n, v in changed[part].items() if n in wrong}
        return values

    for name, wrong in SIZES.items():
        values = settings(**wrong)
        judge.refuses(f"file, {name}", checkpoint("config.json", json.dumps(values).encode()), GIB)
        other = RunFolder(folder / f"run-{next(numbers)}")
        copy_run(run, other, values)
        said = "" if "block_size" in wrong else GIB  # the text is shorter than that
        judge.refuses(f"resumed, {name}", partial(api.train_config, None, resume=other.path), said)
    whole = json.loads((run.checkpoint_path(2) / "config.json").read_text())
    for name, value in WRONG:
        data = json.dumps(whole | {"model": whole["model"] | {name: "@"}})
        data = data.replace('"@"', str_of(value) if isinstance(value, int) else json.dumps(value))
        judge.refuses(f"file, {name[:20]}", checkpoint("config.json", data.encode()))
    huge = folder / "huge.json"
    with huge.open("wb") as file:
        file.truncate(2**30)
    for name in ("config.json", "state.json", "tokenizer.json", "tokenizer_config.json"):
        judge.refuses(f"1 GiB of {name}", checkpoint(name, huge), "1,073,741,824 bytes: at most")
    judge.refuses("1 GiB of manifest.json", checkpoint("manifest.json", huge), "at most")
    other = RunFolder(folder / "other")
    other.path.mkdir()
    for name in ("config.json", "result.json", "tokenizer.json", "index.json"):
        (other.path / name).symlink_to(huge)
    judge.refuses("1 GiB of settings", other.config, "at most")
    judge.refuses("1 GiB of a result", other.result, "at most")
    judge.refuses("1 GiB of a tokenizer", lambda: load_tokenizer(other.path), "at most")
    judge.refuses("1 GiB of an index", lambda: read_index(other.path), "at most")
    for number, text in enumerate(DEEP):
        data = text.encode()
        for name in ("config.json", "state.json", "tokenizer.json", "manifest.json"):
            judge.refuses(f"deep {name} {number}", checkpoint(name, data))
        for path in other.path.iterdir():
            path.unlink()
            path.write_bytes(data)
        judge.refuses(f"deep settings {number}", other.config)
        judge.refuses(f"deep result {number}", other.result)
        judge.refuses(f"deep tokenizer {number}", lambda: load_tokenizer(other.path))
        judge.refuses(f"deep index {number}", lambda: read_index(other.path))


def copy_run(run: RunFolder, other: RunFolder, values: dict[str, Any]) -> None:
    """Make a run that has settings and tokens, and no checkpoint yet."""
    other.tokens_path.mkdir(parents=True)
    for path in (*run.path.glob("tokenizer*"), *run.tokens_path.iterdir()):
        (other.path / path.relative_to(run.path)).write_bytes(path.read_bytes())
    other.config_path.write_text(json.dumps(values))


def test_what_has_no_room_or_no_meaning_is_refused_at_once(
    text, run, tmp_path, capsys, record_property
):
    judge = Judge()
    runs = tmp_path / "runs"
    try_python(judge, text, runs)
    try_command_line(judge, text, runs, lambda: "".join(capsys.readouterr()))
    try_files(judge, run, tmp_path)
    assert not judge.wrong, "\n".join(judge.wrong)
    record_property(
        "measured",
        f"{judge.n_tried} of {judge.n_tried} refused, the slowest in {judge.slowest:.2f} s, "
        f"+{judge.grown:.0f} MB",
    )


@pytest.mark.parametrize("name", SIZES)
def test_a_model_without_room_is_not_begun_to_be_built(name):
    sizes = {"vocab_size": 65, "n_head": 2} | SIZES[name]
    with pytest.raises(bardling.BardlingError, match=GIB):
        GPT(ModelConfig(**sizes))


@pytest.mark.parametrize("attention", ["none", "uniform", "window", "causal", "unmasked"])
@pytest.mark.parametrize("position", ["none", "learned", "sinusoidal", "rotary"])
@pytest.mark.parametrize("n_layer", [0, 3])
def test_the_estimate_is_what_a_model_holds(attention, position, n_layer):
    config = ModelConfig(
        vocab_size=65, n_layer=n_layer, block_size=64, n_embd=32, n_head=2, attention=attention,
        position=position,
    )  # fmt: skip
    model = GPT(config)
    tables = sum(buffer.nbytes for buffer in model.buffers())
    room_to_make_one = fixed_memory(config) - tables - n_layer * 70_000
    assert 0 <= room_to_make_one <= 2 * 4 * 64**2
    assert model_memory(config) == 4 * count_parameters(config).total + fixed_memory(config)
