"""Named runs: what each differs in from the defaults, where it comes from, and what we assumed.

A preset is a function that returns a `Preset`. To add one, write the function and put it into the
table; the command line, the tables and the tests find it there. No torch here.
"""
