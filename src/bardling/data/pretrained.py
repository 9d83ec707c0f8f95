"""Tokenizers by name: one that is learned from a text, or GPT-2's from its published files."""

from collections.abc import Iterable
from pathlib import Path

from bardling.data.known import Known, find_or_download
from bardling.text.bpe import BPETokenizer
from bardling.text.bpe_files import read_gpt2_files
from bardling.text.lots import Text
from bardling.text.tokenizer import Tokenizer
from bardling.text.tokenizer_file import MERGES_FILE, VOCAB_FILE, train_tokenizer

GPT2_FOLDER = "gpt2"
_HOST = "https://huggingface.co/openai-community/gpt2/resolve/main"
GPT2_VOCAB = Known(
    name=f"{GPT2_FOLDER}/{VOCAB_FILE}",
    url=f"{_HOST}/{VOCAB_FILE}",
    n_bytes=1_042_301,
    sha256="196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783",
)
GPT2_MERGES = Known(
    name=f"{GPT2_FOLDER}/{MERGES_FILE}",
    url=f"{_HOST}/{MERGES_FILE}",
    n_bytes=456_318,
    sha256="1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5",
)


def gpt2_tokenizer(data_dir: Path | None = None) -> BPETokenizer:
    """Return GPT-2's tokenizer (Radford et al. 2019): 50,257 tokens.

    Its files are looked for in the folder gpt2 of `data_dir`, of BARDLING_DATA and of the cache,
    then downloaded into the cache.
    """
    vocab, merges = (find_or_download(known, data_dir) for known in (GPT2_VOCAB, GPT2_MERGES))
    return read_gpt2_files(vocab, merges)


def tokenizer_for(
    name: str,
    texts: Iterable[Text],
    data_dir: Path | None = None,
    *,
    end_token: bool,
    processes: int = 1,
) -> Tokenizer:
    """Return the tokenizer that `--tokenizer` names for some texts, if it is learned from them."""
    if name == "gpt2":
        return gpt2_tokenizer(data_dir)
    return train_tokenizer(name, texts, end_token=end_token, processes=processes)
