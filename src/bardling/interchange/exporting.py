"""A run's model out into the files of others, each read back and compared before it is done.

A format has two halves: one writes its files into a new folder, the other runs what was written
and says how far it is from the model. A folder whose check fails does not stay.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from bardling import storage
from bardling.data.tokens import Tokens
from bardling.errors import BardlingError, ExportError, UsageError, nearest
from bardling.extras import optional
from bardling.interchange.adapter_export import export_adapter
from bardling.interchange.chat_template import chat_template
from bardling.interchange.family import Restated, restate
from bardling.interchange.gguf_check import check_gguf
from bardling.interchange.gguf_file import GGUFKind, gguf_kind, gguf_name, write_gguf
from bardling.interchange.huggingface import files_beside_weights, huggingface_files
from bardling.interchange.huggingface_check import check_huggingface
from bardling.interchange.model_card import Library, model_card
from bardling.interchange.onnx_check import check_onnx
from bardling.interchange.onnx_files import onnx_files
from bardling.interchange.parity import Parity
from bardling.model.lora_config import LoRA
from bardling.trained import Run

EXPORTS = "exports"
"""The folder of a run that its exports go to."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is to be exported, and what is left to choose."""

    run: Run
    said: Restated
    licence: str
    quantization: GGUFKind = "f32"


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A folder that was written, and how far each of its models is from the run's."""

    to: str
    path: Path
    n_bytes: int
    checks: tuple[Parity, ...]
    address: str = ""
    """Where it was sent to, if it was."""


Format = Callable[[Wanted, Path], tuple[Parity, ...]]
"""(what, folder) → what was found when the written files were read back."""


def _huggingface(wanted: Wanted, folder: Path) -> tuple[Parity, ...]:
    run = wanted.run
    card = _card(wanted, "transformers")
    files = huggingface_files(wanted.said, run.tokenizer, card, run.config.chat)
    for name, data in files.items():
        storage.write_bytes(folder / name, data)
    return (check_huggingface(run.model, folder),)


def _onnx(wanted: Wanted, folder: Path) -> tuple[Parity, ...]:
    run = wanted.run
    card = _card(wanted, "transformers.js")
    files = files_beside_weights(wanted.said, run.tokenizer, card, run.config.chat)
    files |= onnx_files(wanted.said)
    for name, data in files.items():
        storage.write_bytes(folder / name, data)
    return check_onnx(run.model, folder, _kept_back(run))


def _card(wanted: Wanted, library: Library) -> str:
    """Return the model card of a folder for a library."""
    run = wanted.run
    return model_card(
        wanted.said,
        run.config,
        name=run.folder.name,
        step=run.step,
        result=run.folder.result(),
        licence=wanted.licence,
        library=library,
    )


def _gguf(wanted: Wanted, folder: Path) -> tuple[Parity, ...]:
    run, kind, name = wanted.run, wanted.quantization, wanted.run.folder.name
    path = folder / gguf_name(name, wanted.said, kind)
    template = chat_template(run.config.chat, run.tokenizer) if run.config.chat else ""
    write_gguf(
        wanted.said,
        run.tokenizer,
        path,
        kind,
        name=name,
        licence=wanted.licence,
        template=template,
    )
    return check_gguf(run.model, path, run.tokenizer, kind, tokens=_kept_back(run))


def _kept_back(run: Run) -> Tokens | None:
    """Return the validation tokens of a run; one that was imported has none."""
    try:
        return run.kept_back()
    except BardlingError:  # its corpus is gone, or it was imported without one
        return None


def _peft(wanted: Wanted, folder: Path) -> tuple[Parity, ...]:
    return export_adapter(wanted.run, folder, wanted.licence)


FORMATS: dict[str, Format] = {
    "huggingface": _huggingface,
    "gguf": _gguf,
    "onnx": _onnx,
    "peft": _peft,
}
NEEDED = {"gguf": ("gguf",), "onnx": ("onnx", "onnxruntime")}
"""The libraries of a format."""
QUANTIZED = ("gguf",)
"""Those whose weights can be shortened as one likes."""


def export(
    run: Run,
    to: str = "huggingface",
    *,
    out: str | Path | None = None,
    licence: str = "unknown",
    quantization: str = "f32",
    push: str | None = None,
) -> list[Exported]:
    """Write `run`'s model in a format, or in all, and return what was written.

    Each goes to a folder of its own below `out`, which is `exports` in the run's folder where none
    is given. Weights are written in float32, or in GGUF files as `quantization` says: f32, f16,
    q8_0 or q4_0. Nothing is overwritten. `push`, as owner/name, also sends the Hugging Face folder
    to the hub. Raises `ExportError` where no class of the ecosystem has the model's block, or where
    the written file says another thing than the model.
    """
    if to != "all" and to not in FORMATS:
        raise UsageError(f"'{to[:60]}' is no format{nearest(to, FORMATS)}; take {_listed()}")
    formats = _every(run) if to == "all" else [to]
    if push is not None and to not in ("huggingface", "all"):
        raise UsageError("only the Hugging Face folder is pushed: take --to huggingface")
    kind = gguf_kind(quantization)
    if kind != "f32" and to not in (*QUANTIZED, "all"):
        raise UsageError(f"'{to}' has no {kind}; take {', '.join(QUANTIZED)}, or leave it at f32")
    for library in [library for name in formats for library in NEEDED.get(name, ())]:
        optional(library, "export", f"exporting to {to}")
    wanted = Wanted(run=run, said=restate(run.model), licence=licence, quantization=kind)
    parent = run.folder.path / EXPORTS if out is None else Path(out)
    for name in formats:
        if storage.exists(parent / name):
            raise UsageError(
                f"{parent / name} is there already; remove it, or choose another --out"
            )
    written = [_exported(wanted, name, parent / name) for name in formats]
    if push is None:
        return written
    address = pushed(parent / "huggingface", push)
    return [replace(one, address=address if one.to == "huggingface" else "") for one in written]


def pushed(folder: Path, repository: str) -> str:
    """Send a folder to a repository of the hub, which is made where there is none; return where."""
    hub = optional("huggingface_hub", "data", "the Hugging Face hub")
    try:
        api = hub.HfApi()
        api.create_repo(repository, exist_ok=True)
        sent = api.upload_folder(repo_id=repository, folder_path=folder)
    except (OSError, ValueError, hub.errors.HTTPError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ExportError(
            f"{folder} is written, but could not be sent to {repository} ({reason}): sign in by "
            "hf auth login or HF_TOKEN, then push again from there"
        ) from error
    return str(getattr(sent, "repo_url", None) or repository)


def _listed() -> str:
    return ", ".join([*FORMATS, "or all"])


def _every(run: Run) -> list[str]:
    """Return the formats that a run can be written in: only some have an adapter."""
    has_adapter = isinstance(run.config.adapter, LoRA)
    return [name for name in FORMATS if has_adapter or name != "peft"]


def _exported(wanted: Wanted, name: str, folder: Path) -> Exported:
    """Write one format whole, or leave nothing of it."""
    try:
        with storage.removed_on_error(folder):
            checks = FORMATS[name](wanted, folder)
    except ExportError as error:
        raise ExportError(f"{folder}: {error}") from error
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return Exported(to=name, path=folder, n_bytes=size, checks=checks)
