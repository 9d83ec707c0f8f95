"""A conversation with a model that has learned to answer, as long as its context holds it."""

from collections.abc import Iterator, Sequence

from bardling.errors import GenerationError, UsageError
from bardling.generation.sampling import choose_strategy
from bardling.generation.text import Prompt, stream_texts
from bardling.text.chat import ChatTokens, Message
from bardling.trained import Note, Run

LEAST_ROOM = 0.25
"""Share of the context that an answer has, at least, or what was asked for it where that is less.
"""


def chat_prompt(run: Run, messages: Sequence[Message], *, max_new_tokens: int) -> Prompt:
    """Return what the model reads before it answers the last message.

    It stands after an end token, as documents do in training: a model that has never read without
    one writes nonsense. Where a conversation is too long, its oldest turns are left out, but for
    what the system says.
    Raises `UsageError` for a run that has learned no conversations, and `GenerationError` where
    the last message alone is too long.
    """
    if not run.config.chat:
        raise UsageError(
            f"{run.folder.name} has learned no conversations: let it learn some by "
            f"bardling finetune {run.folder.name} FILE.jsonl"
        )
    words, size = ChatTokens(run.config.chat, run.tokenizer), run.config.model.block_size
    room = size - min(max_new_tokens, int(LEAST_ROOM * size))
    end = run.tokenizer.end_token
    begin = [] if end is None else [end]
    system = [message for message in messages if message.role == "system"]
    rest = [message for message in messages if message.role != "system"]
    n_left_out = 0
    while True:
        ids = begin + words.prompt([*system, *rest[n_left_out:]], unknown="skip")
        if len(ids) <= room:
            break
        n_left_out += 1
        while n_left_out < len(rest) and rest[n_left_out].role != "user":
            n_left_out += 1
        if n_left_out >= len(rest):
            raise GenerationError(
                f"that takes {len(ids):,} tokens, and the context holds {room:,} and an answer"
            )
    shown = [*system, *rest[n_left_out:]]
    n_unknown = sum(run.tokenizer.count_unknown(message.text) for message in shown)
    warnings = []
    if n_left_out:
        warnings.append(f"{n_left_out} messages have gone out of the context")
    if n_unknown:
        warnings.append(f"{n_unknown} characters are unknown to the tokenizer and dropped")
    return Prompt(
        ids=ids,
        text="",
        warnings=tuple(warnings),
        ends=(words.suffix["assistant"][-1],),
    )


def answer(
    run: Run,
    messages: Sequence[Message],
    *,
    max_new_tokens: int = 200,
    temperature: float = 0.8,
    top_k: int = 0,
    top_p: float = 1.0,
    seed: int = 0,
    note: Note = lambda told: None,
) -> Iterator[str]:
    """Yield the answer to the last message of a conversation, piece by piece as it is written.

    `note` is told what of the conversation the model does not see; nobody is by default.
    """
    prompt = chat_prompt(run, messages, max_new_tokens=max_new_tokens)
    for told in prompt.warnings:
        note(told)
    pieces = stream_texts(
        run.model,
        run.tokenizer,
        prompt,
        choose_strategy(temperature=temperature, top_k=top_k, top_p=top_p),
        max_new_tokens=max_new_tokens,
        seed=seed,
        weights=run.weights,
    )
    return (piece for _, piece in pieces)
