"""What the tokenizer.json of every tokenizer of ours has in common."""

from bardling.storage import Json


def special_token_json(content: str, number: int) -> dict[str, Json]:
    """Return the entry of a special token in tokenizer.json."""
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {"id": number, "content": content, **flags, "special": True}
