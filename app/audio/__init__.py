"""Sound devices; the only package that imports sounddevice."""
