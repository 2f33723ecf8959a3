"""The recipe of the built-in model: what it talks about, the voices it hears, its training data."""
