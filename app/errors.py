"""What can go wrong in the program around the engine; each message is one clear line."""


class AppError(Exception):
    """Something the user can mend: the message says what happened and what to do."""


class UsageError(AppError):
    """The command line asks for something that cannot be done."""


class OutputError(AppError):
    """A file cannot be written; what stood there before is untouched."""
