"""Training of every network: one loop, the four language-model stages, and the recipe of nano."""
