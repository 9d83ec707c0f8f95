"""The language that bardling makes itself: tiny stories by a grammar whose every choice is known.

notation     how tables and sentences are written down, and what is made of them
words/       the tables: kinds, names, things, places, qualities
plots/       the sentences: openings, scenes, plots, endings
grammar      all of them together, laid out for one pass
walk         one way through the grammar, for whoever makes the choices
telling      chance makes them: a text and its probability
listening    a text makes them: parsing
foretelling  what may come next, exactly
proof        why every text has one reading
truth        kinds, relations and analogies, for probes

Outside this folder nobody knows words or plots.
"""
