"""How good is it: one protocol for every loss that bardling states."""
