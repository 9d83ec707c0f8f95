"""From a model to text: which token to take, in what context, along which beams."""
