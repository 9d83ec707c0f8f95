"""The programs of examples/ do what they say, at budgets of a few steps."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[1] / "examples"


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory):
    return example("train").main("2steps", tmp_path_factory.mktemp("runs"), "stories:300")


def test_every_example_is_tested():
    tested = Path(__file__).read_text()
    assert all(f'example("{path.stem}")' in tested for path in FOLDER.glob("*.py"))


def test_train(trained):
    assert trained.step == 2
    assert (trained.folder.path / "result.json").exists()


def test_write(trained, capsys: pytest.CaptureFixture[str]):
    texts = example("write").main(trained.folder.path, max_new_tokens=4)
    assert len(texts) == 3
    assert capsys.readouterr().out.count("%") == 5


def test_ablate(tmp_path: Path):
    ablate = example("ablate")
    names = ("whole", "no attention")
    losses = ablate.main("2steps", tmp_path, "stories:200", names)
    assert tuple(losses) == names
    assert losses["whole"] != losses["no attention"]


def test_tune_and_export(trained, tmp_path: Path):
    text = tmp_path / "verse.txt"
    text.write_text("The owl and the pussycat went to sea in a beautiful green boat.\n\n" * 300)
    folder = example("tune_and_export").main(trained.folder.path, text, "2steps", tmp_path)
    assert (folder / "config.json").exists()
    assert list(folder.glob("*.safetensors"))
