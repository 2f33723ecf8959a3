"""The desktop program and its command line; it imports engine, never the reverse."""
