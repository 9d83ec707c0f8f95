"""The GPT and its parts, one file each, in the order a token passes through them."""
