"""A trained model behind an address: an engine that writes many texts at once, an API, a page."""
