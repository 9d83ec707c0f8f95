"""Hostile model files fail cleanly: an error of ours in one sentence, quickly, in little memory.

A child damages the files of a checkpoint, thousands of times over, and opens each. Every damage
has a manifest that vouches for it, so that it reaches whoever reads the file. What is taken all
the same has to be a whole model that writes.

    python test_row_21_hostile_models.py N SEED FOLDER
"""

import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from promises import Protection

import bardling
from bardling.checkpoint import load_checkpoint
from bardling.errors import BardlingError
from bardling.storage import MANIFEST, read_folder, sha256
from bardling.text.bpe import BPETokenizer
from bardling.text.bpe_files import read_gpt2_files, read_ranks, write_ranks
from bardling.text.characters import CharacterTokenizer
from bardling.text.tokenizer import Tokenizer
from bardling.text.tokenizer_file import parse_tokenizer, tokenizer_files
from bardling.training.optimizers import build_optimizer, restore_state
from tiny import SETTINGS, write_text

SECONDS, MEGABYTES = 1.0, 200.0
TEXT = "one tale of two birds, \n and éone more 😀😀 " * 9
JSON_FILES = ("config.json", "state.json", "tokenizer.json", "tokenizer_config.json")
TENSOR_FILES = ("model.safetensors", "optimizer.safetensors")

# A number of so many places is either refused or small; those between would be honest models.
SIZES = (0, 1, 2, 3, 5, 16, 2**31, 2**32, 2**40, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64)
VALUES = (
    *(None, True, False, -1, -(2**63), 2**70, 10**40, 0.5, -0.0, 1e308, 5e-324),
    *("", "a", "a\nb", "\0", "\x1b[31m", "../../x", "é\u2028", "x" * 5000, "BPE", "WordLevel"),
    *("none", "uniform", "window", "unmasked", "learned", "sinusoidal", "adam", "sgd", "muon"),
    *([], {}, [None], [[1]], {"a": 1}, ["a", "b"], {"Regex": "(a+)+$"}, {"kind": "muon"}),
    *SIZES,
)
RAW = (
    *("NaN", "Infinity", "-Infinity", "1e999", "-1E400", "9" * 5000, "0x10", "'a'", "", "nul"),
    *('"\\ud800"', '"\\ud83d"', '"\\u0000"', "01", "1.", "+1", "/**/1", "[,]", '{"a":1,"a":2}'),
)
DTYPES = (
    *("F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2"),
    *("F4", "F6_E2M3", "F6_E3M2", "F8_E8M0", "C64", "U16", "U32", "U64", "f32", "Q4_0", "", "O"),
)


BITS = (("F4", 4), ("F8_E8M0", 8), ("I8", 8), ("BF16", 16), ("I32", 32), ("C64", 64), ("F64", 64))
NUMBERS = (float("nan"), float("inf"), -float("inf"), 3e38, -1.0, 1e-45)


def places_of(value) -> list[tuple]:
    """Return every list and object within a value, each with each of its keys."""
    if not isinstance(value, dict | list):
        return []
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    return [(value, key) for key in keys] + [p for key in keys for p in places_of(value[key])]


def copied(value):
    return json.loads(json.dumps(value))


def nested(chance: Random) -> str:
    """Return lists or objects within each other, often as many as can just be parsed."""
    depth = chance.choice((chance.randrange(30, 1100), 3000, 10_000))
    opened, closed = chance.choice((("[", "]"), ('{"a":', "}")))
    return opened * depth + "1" + closed * (depth if chance.random() < 0.8 else 0)


def damaged_json(value, chance: Random) -> bytes:
    """Return JSON text of a value in which something is wrong."""
    raw: dict[str, str] = {}

    def fragment(text: str) -> str:
        name = f"@{len(raw)}@"
        raw[json.dumps(name)] = text
        return name

    box = [copied(value)]
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        places = places_of(box)
        # one within a small part as likely as one within a large one, such as a vocabulary
        owners = list({id(owner): owner for owner, _ in places}.values())
        owner = chance.choice(owners)
        key = chance.choice([key for one, key in places if one is owner])
        match chance.randrange(9):
            case 0 | 1 | 2:
                owner[key] = copied(chance.choice(VALUES))
            case 3:
                owner[key] = fragment(
                    chance.choice(RAW) if chance.random() < 0.7 else nested(chance)
                )
            case 4 if owner is not box:
                del owner[key]
            case 5:
                other, place = chance.choice(places)
                owner[key], other[place] = copied(other[place]), copied(owner[key])
            case 6 if isinstance(owner, dict):
                owner[chance.choice(("x", "a\nb", "\0", "", "y" * 3000, "kind", "__class__"))] = 1
            case 7 if isinstance(owner, dict):
                owner[fragment(json.dumps(key))] = copied(chance.choice(VALUES))
            case 8 if isinstance(owner, list):
                owner.extend(owner[:50] * chance.choice((1, 2, 20)))
            case _:
                owner[key] = [owner[key]]
    text = json.dumps(box[0])
    for name, words in raw.items():
        text = text.replace(name, words)
    return text.encode("utf-8", "surrogatepass")


def damaged_tensors(data: bytes, chance: Random) -> bytes:
    """Return a safetensors file whose header or whose numbers lie."""
    size = int.from_bytes(data[:8], "little")
    header, body = json.loads(data[8 : 8 + size]), bytearray(data[8 + size :])
    names = [name for name in header if name != "__metadata__"]
    told: int | None = None
    for _ in range(chance.choice((1, 1, 2))):
        name, other = chance.choice(names), chance.choice(names)
        entry = header.get(name, {})
        match chance.randrange(14):
            case 0:
                told = chance.choice((0, 1, 7, size - 1, size + 1, 2**31, 2**63, 2**64 - 1, 10**8))
            case 1:
                entry["dtype"] = chance.choice(DTYPES)
            case 2:
                entry["shape"] = [chance.choice(SIZES) for _ in range(chance.randrange(5))]
            case 3:
                entry["data_offsets"] = [chance.choice((*SIZES, len(body))) for _ in range(2)]
            case 4:
                entry["data_offsets"] = header.get(other, {}).get("data_offsets")
            case 5:
                header[name], header[other] = header.get(other, {}), header.get(name, {})
            case 6:
                header.pop(name, None)
            case 7:
                header[chance.choice(("x", "a\nb", "\0", "", "z" * 9000, "blocks.9.x"))] = entry
            case 8:
                place = chance.randrange(0, len(body) - 4, 4)
                body[place : place + 4] = struct.pack("<f", chance.choice(NUMBERS))
            case 9:
                del body[chance.randrange(len(body)) :]
            case 10:
                body += bytes(chance.choice((1, 4, 1000)))
            case 11:  # numbers of another kind in the same bytes
                kind, n_bits = chance.choice(BITS)
                start, end = entry.get("data_offsets") or (0, 0)
                header[name] = entry | {"dtype": kind, "shape": [8 * (end - start) // n_bits]}
            case 12:  # nothing, and very much of it
                shape = [0, *chance.choices((1, 2**40, 2**62, 2**63 - 1, 2**63), k=2)]
                end = [len(body)] * 2
                header["x"] = {"dtype": "F32", "shape": shape, "data_offsets": end}
            case _:
                text = damaged_json(header, chance)
                return len(text).to_bytes(8, "little") + text + bytes(body)
    text = json.dumps(header).encode()
    return (len(text) if told is None else told).to_bytes(8, "little") + text + bytes(body)


def damaged_bytes(data: bytes, chance: Random, others: list[bytes]) -> bytes:
    """Return a file to which something has happened."""
    start = chance.randrange(len(data) + 1)
    size = chance.choice((1, 1, 2, 4, 8, 100))
    noise = chance.randbytes(size)
    flipped = bytes([data[start] ^ 1 << chance.randrange(8)]) if start < len(data) else b"\0"
    return chance.choice(
        (
            data[:start],
            data[:start] + data[start + size :],
            data[:start] + noise + data[start:],
            data[:start] + noise + data[start + size :],
            data[:start] + flipped + data[start + 1 :],
            data[:start] + data[start : start + size] * 2 + data[start + size :],
            chance.choice(others)[: chance.choice((0, 8, 10**9))],
            b"\xef\xbb\xbf" + data,
            data.replace(b'"', b"'"),
        )
    )


def gpt2_files(tokenizer: BPETokenizer) -> tuple[dict, bytes]:
    """Return the vocab.json and merges.txt of a tokenizer."""
    model = tokenizer.to_json()["model"]
    lines = ["#version: 0.2", *(" ".join(pair) for pair in model["merges"])]
    return model["vocab"], "\n".join(lines).encode()


def manifest(files: dict[str, bytes]) -> dict:
    entries = {name: {"bytes": len(data), "sha256": sha256(data)} for name, data in files.items()}
    return {"files": entries}


class Victim:
    """A checkpoint whose files are changed and put back."""

    def __init__(self, folder: Path) -> None:
        text = write_text(folder)
        run = bardling.train(
            text, name="x", runs_dir=folder, **SETTINGS | {"budget": "4steps", "keep_last": 1}
        )
        self.run = run.folder.path
        self.folder = run.folder.checkpoint_path(4)
        self.files = read_folder(self.folder)
        self.result = json.loads((self.run / "result.json").read_text())
        self.trees = {name: json.loads(self.files[name]) for name in JSON_FILES}
        trained = BPETokenizer.train([TEXT], vocab_size=290, end_token=True, split="llama3")
        tokenizers = (CharacterTokenizer.train([TEXT], end_token=True), trained)
        data = [tokenizer_files(one)["tokenizer.json"] for one in tokenizers]
        self.tokenizers = [(json.loads(one), one) for one in data]
        self.vocab, self.merges = gpt2_files(trained)
        self.ranks = write_ranks(trained)
        self.tries: tuple[Callable[[Random], None], ...] = (
            *(self.json, self.json, self.tensors, self.tensors, self.bytes, self.manifest),
            *(self.result_file, self.tokenizer, self.tokenizer, self.tokenizer_of_others),
        )

    def json(self, chance: Random) -> None:
        name = chance.choice(JSON_FILES)
        self.open({name: damaged_json(self.trees[name], chance)})

    def tensors(self, chance: Random) -> None:
        name = chance.choice(TENSOR_FILES)
        self.open({name: damaged_tensors(self.files[name], chance)})

    def bytes(self, chance: Random) -> None:
        name = chance.choice(list(self.files))
        others = list(self.files.values())
        self.open({name: damaged_bytes(self.files[name], chance, others)})

    def manifest(self, chance: Random) -> None:
        tree = manifest(self.files)
        data = damaged_json(tree, chance)
        if chance.random() < 0.3:
            data = damaged_bytes(json.dumps(tree).encode(), chance, [data])
        self.open({MANIFEST: data})

    def result_file(self, chance: Random) -> None:
        path = self.run / "result.json"
        path.write_bytes(damaged_json(self.result, chance))
        try:
            self.write(bardling.load(self.run, note=lambda told: None))
        finally:
            path.write_text(json.dumps(self.result))

    def tokenizer(self, chance: Random) -> None:
        tree, data = chance.choice(self.tokenizers)
        if chance.random() < 0.7:
            found = parse_tokenizer(damaged_json(tree, chance))
        else:
            found = parse_tokenizer(damaged_bytes(data, chance, [b"{}", b"[]"]))
        self.encode(found)

    def tokenizer_of_others(self, chance: Random) -> None:
        match chance.randrange(4):
            case 0:
                self.encode(read_ranks(damaged_bytes(self.ranks, chance, [self.merges])))
            case 1:
                lines = self.ranks.splitlines()
                chance.shuffle(lines) if chance.random() < 0.3 else lines.append(
                    chance.choice(lines)
                )
                self.encode(read_ranks(b"\n".join(lines)))
            case 2:
                self.encode(read_gpt2_files(damaged_json(self.vocab, chance), self.merges))
            case _:
                merges = damaged_bytes(self.merges, chance, [self.ranks])
                self.encode(read_gpt2_files(json.dumps(self.vocab).encode(), merges))

    def encode(self, found: Tokenizer) -> None:
        """Let a tokenizer that was taken show that it is whole."""
        assert found.vocab_size > 0 and len(found.sha256) == 64
        ids = found.encode("one tale", unknown="skip")
        assert all(0 <= number < found.vocab_size for number in ids)
        assert set(found.decode(ids)) <= set("one tale")

    def open(self, changed: dict[str, bytes]) -> None:
        """Open the checkpoint with other files, whose sizes and hashes are right."""
        files = self.files | changed
        listed = files.pop(MANIFEST, None)
        try:
            for name in changed.keys() - {MANIFEST}:
                (self.folder / name).write_bytes(files[name])
            data = json.dumps(manifest(files)).encode() if listed is None else listed
            (self.folder / MANIFEST).write_bytes(data)
            self.write(bardling.load(self.folder))
            self.go_on()
        finally:
            for name in changed.keys() - {MANIFEST}:
                (self.folder / name).write_bytes(self.files[name])

    def write(self, run: bardling.Run) -> None:
        """Let a model that was taken show that it is whole."""
        assert all(p.isfinite().all() for p in run.model.parameters())
        assert run.tokenizer.vocab_size == run.config.model.vocab_size
        assert run.step in (0, 4)
        assert isinstance(run.generate("1", max_new_tokens=2), str)

    def go_on(self) -> None:
        """Give the optimizer what a checkpoint that was taken says of it."""
        found = load_checkpoint(self.folder)
        model = found.build_model()
        restore_state(model, build_optimizer(model, found.config.optimizer), found.optimizer)


def peak_megabytes() -> float:
    """Return the most memory that this process has held."""
    report = Path("/proc/self/status").read_text()
    return int(report.split("VmHWM:")[1].split()[0]) / 1000


def main(n: int, seed: int, folder: Path) -> None:
    victim = Victim(folder)
    victim.open({})
    before, ends, slowest, wrong = peak_megabytes(), Counter[str](), 0.0, []
    for number in range(n):
        chance = Random(f"{seed} {number}")
        act = victim.tries[number % len(victim.tries)]
        began = time.process_time()
        try:
            act(chance)
            end = "taken"
        except BardlingError as error:
            said, end = str(error), "refused"
            if not (said.isprintable() and 10 < len(said) < 1000):
                wrong.append(f"{number} {act.__name__}: said {said[:300]!r} of {len(said)}")
        except Exception as error:
            end = "broke"
            wrong.append(f"{number} {act.__name__}: {type(error).__name__}: {str(error)[:300]}")
        ends[end] += 1
        slowest = max(slowest, time.process_time() - began)
    grown = peak_megabytes() - before
    print(json.dumps({"ends": ends, "slowest": slowest, "megabytes": grown, "wrong": wrong}))


PROTECTIONS = (
    Protection(
        file="checkpoint.py",
        line="    except _REFUSED as error:",
        broken="    except SafetensorError as error:",
        test="test_hostile_files_are_refused_cleanly[600]",
    ),
    Protection(
        file="checkpoint.py",
        line="        if tensor.dtype not in _FLOATS or not tensor.isfinite().all():",
        broken="        if False:",
        test="test_hostile_files_are_refused_cleanly[600]",
    ),
    Protection(
        file="storage/strict_json.py",
        line="    except RecursionError as error:",
        broken="    except ZeroDivisionError as error:",
        test="test_hostile_files_are_refused_cleanly[600]",
    ),
    Protection(
        file="training/state.py",
        line='        if not isinstance(values, dict) or "step" not in values:',
        broken="        if False:",
        test="test_hostile_files_are_refused_cleanly[600]",
    ),
)


@pytest.mark.parametrize("n", [600, pytest.param(20_000, marks=pytest.mark.sweep)])
def test_hostile_files_are_refused_cleanly(tmp_path, record_property, n):
    tests = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-W", "error", __file__, str(n), "1", str(tmp_path)],
        capture_output=True, text=True, timeout=900,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tests), *sys.path])},
    )  # fmt: skip
    assert done.returncode == 0, f"{signal_name(done.returncode)}: {done.stderr[-2000:]}"
    found = json.loads(done.stdout)
    assert found["wrong"] == []
    ends = found["ends"]
    assert sum(ends.values()) == n and ends["refused"] > n // 2
    assert found["slowest"] < SECONDS and found["megabytes"] < MEGABYTES
    record_property(
        "measured",
        f"{ends['refused']:,} of {n:,} refused, {ends['taken']:,} taken and whole, the slowest "
        f"{found['slowest']:.2f} s, +{found['megabytes']:.0f} MB",
    )


def signal_name(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
