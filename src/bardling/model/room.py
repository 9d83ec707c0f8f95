"""Whether a model has room on this machine, asked before anything of it is allocated.

A config is a few numbers, and a slip of the finger or a hostile file can make them ask for more
than there is. What training takes besides the model is weighed before a run begins.
"""

from bardling.errors import ConfigError
from bardling.machine.memory import physical_bytes
from bardling.model.config import ModelConfig
from bardling.model.size import model_memory


def require_room(config: ModelConfig) -> None:
    """Raise `ConfigError` for a model that the memory of this machine cannot hold."""
    needed, there = model_memory(config), physical_bytes()
    if needed > there:
        raise ConfigError(
            f"this model takes about {needed / 2**30:,.1f} GiB, and this machine has "
            f"{there / 2**30:,.1f} GiB; take fewer or narrower layers, or a shorter context"
        )
