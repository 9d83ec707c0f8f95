"""What a teacher is worth: students a third of its size, taught and alone, for the same steps.

    python benchmarks/distillation.py            # about twenty minutes on two cores
    python benchmarks/distillation.py --quick    # a tenth of the steps and one seed: that it works

On stories and on Tiny Shakespeare, a teacher is trained; then, for each seed, the same student with
the same batches twice, once from the text alone and once from the teacher too. Losses are those of
the last step on the whole validation split, in nats per token.
"""

import argparse
import json
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path

from measured_on import describe_machine

import bardling
from bardling.config import RunConfig
from bardling.model.size import count_parameters
from bardling.presets.distilled import distilled_config
from bardling.presets.table import config_for
from bardling.trained import Run
from bardling.training.task import Pretraining

PLAIN = {"sample_tokens": 0, "quick_checks": False}
TEACHERS = {
    "stories": ("demo", {"n_layer": 4, "n_head": 4, "n_embd": 256}),
    "shakespeare": ("shakespeare", {"n_layer": 4, "n_head": 6, "n_embd": 192}),
}
"""By corpus: the preset of teacher and student, and the teacher's size."""
STUDENTS = {
    "stories": {"n_layer": 2, "n_head": 4, "n_embd": 176},
    "shakespeare": {"n_layer": 3, "n_head": 4, "n_embd": 128},
}


def loss_of(run: Run) -> float:
    """Return the loss of a run's last step on the whole validation split."""
    return run.folder.result()["last"]["val_loss"]


def trained(config: RunConfig, name: str, folder: Path) -> Run:
    """Train by a config."""
    return bardling.train_config(config, name=name, runs_dir=folder)


def measure(corpus: str, options: argparse.Namespace, folder: Path) -> None:
    """Train a teacher and its students on a corpus, and print their losses."""
    preset, size = TEACHERS[corpus]
    config = config_for(preset).with_overrides(
        budget=f"{options.teacher_steps}steps", eval_interval_steps=10**9, **size, **PLAIN
    )
    teacher = trained(config, f"{corpus}-teacher", folder)
    n_teacher = count_parameters(teacher.config.model).total
    print(f"{corpus}: teacher of {n_teacher:,} parameters, {options.teacher_steps} steps, "
          f"loss {loss_of(teacher):.4f}", flush=True)  # fmt: skip
    base = distilled_config(
        teacher.config, str(teacher.folder.path.absolute()), student=preset
    ).with_overrides(
        budget=f"{options.steps}steps",
        eval_interval_steps=10**9,
        temperature=options.temperature,
        hard_weight=options.hard_weight,
        **STUDENTS[corpus],
        **PLAIN,
    )
    n_student = count_parameters(base.model).total
    print(f"  students of {n_student:,} parameters ({n_student / n_teacher:.2f} of it), "
          f"{options.steps} steps")  # fmt: skip
    gains = []
    for seed in range(options.seeds):
        taught = base.with_overrides(seed=seed)
        alone = replace(taught, teacher="", task=Pretraining())
        ways = {"alone": alone, "taught": taught}
        found = {
            way: loss_of(trained(one, f"{corpus}-{way}-{seed}", folder))
            for way, one in ways.items()
        }
        gains.append(found["alone"] - found["taught"])
        print(f"  seed {seed}  alone {found['alone']:.4f}  taught {found['taught']:.4f}  "
              f"lower by {gains[-1]:+.4f}", flush=True)  # fmt: skip
    print(f"  lower by {statistics.mean(gains):+.4f} on average, {min(gains):+.4f} to "
          f"{max(gains):+.4f}", flush=True)  # fmt: skip


def main() -> None:
    """Measure on each corpus."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the steps and one seed")
    parser.add_argument("--teacher-steps", type=int, default=2000)
    parser.add_argument("--steps", type=int, default=1000, help="of each student")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--temperature", type=float, default=4.0)
    parser.add_argument("--hard-weight", type=float, default=0.5)
    parser.add_argument("--corpora", nargs="+", choices=TEACHERS, default=list(TEACHERS))
    options = parser.parse_args()
    if options.quick:
        options.teacher_steps, options.steps, options.seeds = 200, 100, 1
    print(json.dumps(describe_machine() | {"options": vars(options)}), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for corpus in options.corpora:
            measure(corpus, options, Path(folder))


if __name__ == "__main__":
    main()
