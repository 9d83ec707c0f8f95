"""Pictures of page 8: the whole model with its shapes, and where its parameters are."""

from bardling.model.config import ModelConfig
from bardling.model.families import classic
from bardling.model.size import count_parameters
from drawing.canvas import Canvas, Colour
from drawing.gallery import picture


@picture("08-gpt")
def gpt() -> str:
    """Draw the way of a batch through the model, with the shape at each station."""
    c = Canvas(420, "From ids to logits: embedding, blocks, final norm, output layer, with shapes")
    middle, wide = 300.0, 250.0
    left = middle - wide / 2
    c.box(left, 24, wide, 34, words="ids")
    c.box(left, 84, wide, 38, colour="orange", words="embedding: a row for each id")
    c.box(left - 22, 146, wide + 44, 144, colour="grey", strength=0.06, dashed=True)
    c.box(left, 160, wide, 46, colour="teal", words="+ attention(norm(x))")
    c.box(left, 230, wide, 46, colour="orange", words="+ feed-forward(norm(x))")
    c.text(left - 34, 224, "block", size=14, anchor="end", bold=True)
    c.text(left - 34, 244, "× n_layer", size=13, anchor="end", colour="soft")
    c.box(left, 312, wide, 34, colour="grey", words="final norm")
    c.box(left, 370, wide, 36, colour="orange", words="output layer")
    for start, end in ((60, 81), (124, 157), (208, 227), (278, 309), (348, 367)):
        c.arrow((middle, start), (middle, end))
    shapes: list[tuple[float, str, str, Colour]] = [
        (46, "[16, 128]", "16 windows of 128 ids", "blue"),
        (108, "[16, 128, 192]", "192 numbers each: the stream", "blue"),
        (188, "[16, 128, 192]", "positions have talked", "blue"),
        (258, "[16, 128, 192]", "each has thought", "blue"),
        (334, "[16, 128, 192]", "hidden(ids) ends here", "blue"),
        (393, "[16, 128, 65]", "logits: a score for each token", "purple"),
    ]
    for y, shape, said, colour in shapes:
        c.text(462, y - 3, shape, size=13, mono=True, anchor="start", colour=colour)
        c.text(462, y + 13, said, size=12, anchor="start", colour="soft")
    c.path([(left - 4, 388), (50, 388), (50, 103), (left - 4, 103)], colour="orange", dashed=True)
    c.text(40, 246, "tied: the same table", size=12.5, turn=-90, colour="orange")
    return str(c)


@picture("08-parameters")
def parameters() -> str:
    """Draw the parts of three models as shares of their parameters."""
    c = Canvas(
        262, "Where the parameters are: of small models in the blocks, of GPT-2 a third in a table"
    )
    models: list[tuple[str, ModelConfig]] = [
        ("ours, by character", ModelConfig(vocab_size=65)),
        ("ours, 4,000 byte pairs", ModelConfig(vocab_size=4000)),
        (
            "GPT-2 small",
            classic(vocab_size=50_257, block_size=1024, n_layer=12, n_head=12, n_embd=768),
        ),
    ]
    left, wide = 196.0, 530.0
    for row, (name, config) in enumerate(models):
        y = 66 + row * 58.0
        parts = count_parameters(config)
        c.text(left - 14, y + 16, name, size=13, anchor="end")
        c.text(
            left - 14, y + 33, f"{parts.total:,}", size=12, anchor="end", mono=True, colour="soft"
        )
        x = left
        shares: list[tuple[int, Colour]] = [
            (parts.embeddings + parts.output, "blue"),
            (parts.attention, "teal"),
            (parts.feedforward, "orange"),
            (parts.norms, "grey"),
        ]
        for count, colour in shares:
            share = count / parts.total
            words = f"{share:.0%}" if share > 0.04 else ""
            c.box(x, y, wide * share, 38, colour=colour, words=words, strength=0.35, radius=0)
            x += wide * share
    legend: list[tuple[str, Colour]] = [
        ("tables", "blue"),
        ("attention", "teal"),
        ("feed-forward", "orange"),
        ("norms: under 0.2 %", "grey"),
    ]
    x = left
    for words, colour in legend:
        c.box(x, 26, 16, 16, colour=colour, strength=0.35, radius=2)
        c.text(x + 22, 39, words, size=13, anchor="start")
        x += 22 + 7.2 * len(words) + 30
    return str(c)
