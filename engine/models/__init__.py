"""The networks: weights and the arithmetic on them, with no state of a reply."""
