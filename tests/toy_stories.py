"""A grammar small enough to list every story of it, and others with one fault each."""

from bardling.data.stories.grammar import assemble
from bardling.data.stories.notation import Draw, sentences, words

WORDS = (
    words("pet", "cat, caterpillar, owl|owlets", ("s",)),
    words("sound[cat]", "purred, mewed"),
    words("sound[caterpillar]", "munched"),
    words("sound[owl]", "hooted, screeched, blinked"),
)
SENTENCES = """
story:
  3 There was <a pet>. <middle>
middle:
  2 The {pet} <=sound[pet]>.
  5 Two {many pet} <=sound[pet]>, <end>
  1 <end>
end:
  1 then <other=pet> and {pet} slept.
  2 but {a pet} <=sound[pet]>.
"""


def toy(text: str = SENTENCES, *more):
    """Return a grammar made of a table of sentences and the words above."""
    return assemble([*WORDS, *more, *sentences(text).values()])


def every_story(language):
    """List all stories of a small grammar with their probabilities: an oracle without walk()."""

    def tell_all(parts, memory):
        if not parts:
            yield "", 1.0, memory
            return
        first, *rest = parts
        if isinstance(first, str):
            found = [(first, 1.0, memory)]
        elif isinstance(first, Draw):
            name = first.site
            if first.index is not None:
                name += f"[{memory[first.index.name][first.index.form]}]"
            found = list(choose(language.sites[name], first, memory))
        else:
            found = [(memory[first.name][first.form], 1.0, memory)]
        for text, p, after in found:
            for more, q, last in tell_all(rest, after):
                yield text + more, p * q, last

    def choose(site, draw, memory):
        total = sum(option.weight for option in site.options)
        for option in site.options:
            p = option.weight / total
            if option.forms:
                forms = dict(zip(site.forms, option.forms, strict=True))
                yield forms[draw.form], p, {**memory, draw.name: forms}
            else:
                for text, q, after in tell_all(option.parts, memory):
                    yield text, p * q, after

    start = language.sites["story"]
    return [(text, p) for text, p, _ in choose(start, None, {})]
