"""Open a run and let it write: a text as it comes, several at once, and what could come next.

python examples/write.py runs/NAME
"""

import sys
from pathlib import Path

import torch

import bardling


def main(folder: Path, prompt: str = "Once", max_new_tokens: int = 60) -> list[str]:
    """Print a text piece by piece, three texts of one batch, and the likeliest next tokens."""
    run = bardling.load(folder)
    print(prompt, end="")
    for piece in run.stream(prompt, max_new_tokens=max_new_tokens, temperature=0.7, seed=1):
        print(piece, end="", flush=True)
    print("\n")
    texts = run.samples(prompt, 3, max_new_tokens=max_new_tokens, temperature=0.7, top_p=0.95)
    for text in texts:
        print("-", prompt + text)
    ids = torch.tensor([run.prompt(prompt).ids])
    shares = run.model(ids)[0, -1].softmax(dim=-1)
    for share, token in zip(*shares.topk(5), strict=True):
        print(f"{share:6.1%}  {run.tokenizer.decode([int(token)])!r}")
    return texts


if __name__ == "__main__":
    main(Path(sys.argv[1]))
