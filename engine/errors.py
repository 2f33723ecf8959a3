"""The errors an engine reports about the world, as opposed to its own mistakes (those are asserts).

Pure. Whoever shows one needs only ``str(error)``: it is one line, for a person, that says what
happened and, where something can be done, what to do.
"""


class EngineError(Exception):
    """Something outside the program stands in the way; its text is always a single line."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class CheckpointError(EngineError):
    """A model folder cannot be used: a file, tensor, shape or setting is missing or wrong."""


class DownloadError(EngineError):
    """A model cannot be fetched: no network, no such files, wrong checksums or no room for it."""


class AudioFileError(EngineError):
    """A sound file cannot be read or written, or holds nothing that can be listened to."""


class RequestError(EngineError):
    """A request asks for something the engine cannot do."""


class TrainingDataError(EngineError):
    """A training sample or corpus breaks the rules of its format."""


class OutOfMemory(EngineError):
    """The device has no room for what was asked of it."""
