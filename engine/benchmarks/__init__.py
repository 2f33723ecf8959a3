"""How fast a model is on this machine; every speed the project states comes from here."""
