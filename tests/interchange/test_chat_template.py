"""A chat format comes out as the template that others fill in, with the ids that it has here."""

import json

from transformers import AutoTokenizer

from bardling.config import RunConfig
from bardling.data.config import DataConfig
from bardling.interchange.exporting import export
from bardling.run_folder import RunFolder
from bardling.text.chat import PLAIN_CHAT, ChatFormat, ChatTokens, Message
from bardling.text.special import with_special
from bardling.trained import Run
from families import TOKENIZERS, family, randomised

OWN = ChatFormat(
    prefix={"user": ("<u>", "<say>"), "assistant": ("<a>", "<say>")},
    suffix={"user": ("<end>",), "assistant": ("<end>", "<turn>")},
)
SAID = [Message("user", "3 + 4"), Message("assistant", "7"), Message("user", " 1\n+ 2 ")]


def test_transformers_makes_the_same_ids_of_a_conversation(tmp_path):
    for name, chat in {"plain": PLAIN_CHAT, "own": OWN}.items():
        tokenizer = with_special(TOKENIZERS["bpe"], chat.tokens)
        model = randomised(family("qwen3", vocab_size=tokenizer.vocab_size))
        config = RunConfig(data=DataConfig(corpus="stories"), model=model.config, chat=chat)
        folder = RunFolder(tmp_path / name)
        run = Run(folder=folder, step=1, config=config, model=model, tokenizer=tokenizer)
        (written,) = export(run)
        theirs = AutoTokenizer.from_pretrained(written.path)
        messages = [{"role": message.role, "content": message.text} for message in SAID]
        words = ChatTokens(chat, tokenizer)
        for asked in (False, True):
            found = theirs.apply_chat_template(
                messages, add_generation_prompt=asked, tokenize=True, return_dict=False
            )
            said = words.prompt(SAID) if asked else words.encode(SAID)
            assert found == [tokenizer.end_token, *said]
        ends = json.loads((written.path / "generation_config.json").read_text())["eos_token_id"]
        own = tokenizer.special_tokens["<turn>"] if chat is OWN else tokenizer.end_token
        assert own in (ends if isinstance(ends, list) else [ends])
