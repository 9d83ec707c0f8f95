"""How fast things are here: what `bardling bench` prints and `benchmarks/` compares with peers."""
