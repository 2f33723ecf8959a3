"""The window: what it shows comes in as events, what the user does goes out as commands."""
