"""Training of the language model, the speech tokenizer and the speech decoder."""
