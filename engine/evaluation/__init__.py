"""How well a model hears, answers and speaks, measured on questions and voices it never met."""
