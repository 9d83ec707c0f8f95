"""Training and writing that take turns, each made in a process of its own (turns.py)."""
