"""A chat format as the template that transformers, llama.cpp and others fill in (Jinja).

It says no more than the format does: what stands before and after each role's words. Whoever fills
it in makes text of it first, so there a role can be imitated by a text that holds its token; in
ours it cannot.
"""

import json

from bardling.text.chat import ANSWERS, ChatFormat
from bardling.text.tokenizer import Tokenizer

FILE = "chat_template.jinja"


def chat_template(chat: ChatFormat, tokenizer: Tokenizer) -> str:
    """Return the template of a format: messages in, text out, with the answer's prefix if asked.

    A conversation stands after an end token, as documents do in training.
    """
    named = {number: name for name, number in tokenizer.special_tokens.items()}
    begin = "" if tokenizer.end_token is None else named[tokenizer.end_token]
    parts: list[str] = []
    for role, prefix in chat.prefix.items():
        before, after = "".join(prefix), "".join(chat.suffix.get(role, ()))
        test = "elif" if parts else "if"
        parts.append(
            f"{{%- {test} message['role'] == {json.dumps(role)} -%}}"
            f"{{{{- {json.dumps(before)} + message['content'] + {json.dumps(after)} -}}}}"
        )
    answer = json.dumps("".join(chat.prefix[ANSWERS]))
    return (
        f"{{{{- {json.dumps(begin)} -}}}}"
        f"{{%- for message in messages -%}}{''.join(parts)}{{%- endif -%}}{{%- endfor -%}}"
        f"{{%- if add_generation_prompt -%}}{{{{- {answer} -}}}}{{%- endif -%}}"
    )
