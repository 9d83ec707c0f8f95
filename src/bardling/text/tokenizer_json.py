"""What the tokenizer.json of every tokenizer of ours has in common, and how strictly it is read."""

from collections.abc import Mapping

from bardling.errors import TokenizerError
from bardling.storage import Json


def special_token_json(content: str, number: int) -> dict[str, Json]:
    """Return the entry of a special token in tokenizer.json."""
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {"id": number, "content": content, **flags, "special": True}


def require_same(found: Mapping[str, Json], ours: Mapping[str, Json], kind: str) -> None:
    """Refuse a tokenizer.json that is not, key for key, what `kind` of ours would write."""
    for key, expected in ours.items():
        if found.get(key, "nothing") != expected:
            raise TokenizerError(
                f"{key!r} in tokenizer.json is not that of {kind} of ours: "
                f"expected {str(expected)[:200]}, found {str(found.get(key, 'nothing'))[:200]}"
            )
    if extra := sorted(found.keys() - ours.keys()):
        raise TokenizerError(f"{extra[0]!r} in tokenizer.json has no meaning here: remove it")
