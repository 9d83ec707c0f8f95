"""Is everything put together as it was meant? Asked before a long run, not after it.

Each check is a function of what it looks at and returns a `Finding`. Checks work on copies and
draw from generators of their own, so a run is the same whether it was checked or not.
"""
