"""Runs before the program: undoes what being frozen would change for it and for what it starts."""

import os
import sys

# Windows starts a program without a terminal without streams to write to.
for _name in ("stdout", "stderr"):
    if getattr(sys, _name) is None:
        setattr(sys, _name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115

# This process has its library path already; a browser that it opens must not get it.
if sys.platform.startswith("linux"):
    _before = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)
    if _before is None:
        os.environ.pop("LD_LIBRARY_PATH", None)
    else:
        os.environ["LD_LIBRARY_PATH"] = _before
