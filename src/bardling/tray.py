"""Safetensors files, made in memory that is kept from one save to the next.

The library's own `save` takes new memory each time, and a page that is touched for the first time
costs twenty times what copying into it does: of 124M parameters and their optimizer's memory it
made a copy in 7.6 s, of which 0.1 s is copying. So the bytes are laid out here, as the format says
(github.com/huggingface/safetensors, "Format"): the length of a header in 8 bytes, the header in
JSON, and the tensors one after the other. The library reads them.
"""

import json
from collections.abc import Mapping

import torch
from torch import Tensor

from bardling.machine.shards import whole
from bardling.storage import Contents

JOINED_BYTES = 2**20
"""Of a file that is made in one piece."""
_NAMES = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}
_ALIGNMENT = 8  # bytes, for those who map a file into memory


class Tray:
    """Memory for some files by name; what was laid out for one is valid until its next time."""

    def __init__(self) -> None:
        self._blocks: dict[str, Tensor] = {}

    def reserve(self, name: str, n_bytes: int) -> None:
        """Have memory for a file of so many bytes, and touch all of it."""
        if name not in self._blocks or self._blocks[name].numel() < n_bytes:
            self._blocks[name] = torch.zeros(n_bytes, dtype=torch.uint8)

    def lay(self, name: str, tensors: Mapping[str, Tensor], **metadata: str) -> Contents:
        """Return the bytes of a safetensors file, a copy that no change of the tensors reaches.

        Those that are shared out are gathered one after the other, by all processes.
        """
        header: dict[str, object] = {"__metadata__": metadata} if metadata else {}
        place = 0
        for key, tensor in tensors.items():
            end = place + tensor.numel() * tensor.element_size()
            header[key] = {
                "dtype": _NAMES[tensor.dtype],
                "shape": list(tensor.shape),
                "data_offsets": [place, end],
            }
            place = end
        block = self._filled(name, tensors, place)
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % _ALIGNMENT)
        pieces = (len(text).to_bytes(8, "little") + text, block.numpy().data)
        return b"".join(pieces) if place <= JOINED_BYTES else pieces

    def _filled(self, name: str, tensors: Mapping[str, Tensor], n_bytes: int) -> Tensor:
        """Return the tensors' bytes, one after the other, in the memory of that name."""
        self.reserve(name, n_bytes)
        block, place = self._blocks[name][:n_bytes], 0
        for tensor in tensors.values():
            data = whole(tensor.detach()).reshape(-1).view(torch.uint8)
            block[place : place + data.numel()].copy_(data)
            place += data.numel()
        return block
