"""The 256 bytes in GPT-2's order, and how its files write them.

Printable bytes come first and are written as themselves; the rest follow, written as letters from
U+0100 on (Radford et al. 2019; the table is that of the published encoder).
"""

BYTES = (*range(33, 127), *range(161, 173), *range(174, 256), *range(33), *range(127, 161), 173)
"""The bytes in the order of their ids."""

BYTE_ID = {byte: number for number, byte in enumerate(BYTES)}
_N_PRINTABLE = 188
_VISIBLE = {
    byte: chr(byte if number < _N_PRINTABLE else 256 - _N_PRINTABLE + number)
    for number, byte in enumerate(BYTES)
}
_BYTE = {character: byte for byte, character in _VISIBLE.items()}


def visible(token: bytes) -> str:
    """Return a token as GPT-2's files write it: one visible character for each byte."""
    return "".join(map(_VISIBLE.__getitem__, token))


def invisible(name: str) -> bytes | None:
    """Return the bytes that such a name writes, or None where it is no such name."""
    try:
        return bytes(map(_BYTE.__getitem__, name))
    except KeyError:
        return None
