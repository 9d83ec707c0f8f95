"""What is done with a model once it is trained: more training, towards another end."""
