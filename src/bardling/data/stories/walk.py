"""One way through the grammar, for whoever makes the choices.

The same walk tells a story, retells one from its choices and reads one from its text; what differs
is who picks. Because a choice is made when its text is due, and never before, everything that has
been decided can be seen in the text so far.
"""

from collections.abc import Callable

from bardling.data.stories.grammar import Grammar, Memory
from bardling.data.stories.notation import Option, Site

Pick = Callable[[Site, int, Memory], Option]
"""Given a site, the number of the form in which a word will be said, and the memory: an option."""


def walk(grammar: Grammar, pick: Pick, say: Callable[[str], object]) -> None:
    """Go through one story: `pick` makes each choice, `say` gets the text, stretch by stretch."""
    memory = [""] * grammar.memory_size
    plan = grammar.steps
    steps = iter(plan[pick(grammar.start, 0, memory)])
    waiting = []
    while True:
        for step in steps:
            pattern, recall, site, sites, key, keep, form = step
            say(pattern if recall is None else pattern % recall(memory))
            if site is None:
                if sites is None:
                    continue
                site = sites[memory[key]]
            option = pick(site, form, memory)
            if option.forms:
                if keep is not None:
                    memory[keep] = option.forms
                say(option.forms[form])
            else:
                waiting.append(steps)
                steps = iter(plan[option])
                break
        else:
            if not waiting:
                return
            steps = waiting.pop()
