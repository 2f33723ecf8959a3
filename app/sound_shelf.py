"""How much sound of finished turns stays in memory: that of the newest ten minutes. Pure."""

LONGEST_SOUND_S = 600.0
"""Sound of questions and answers that is at hand at once."""


class SoundShelf:
    """Knows the turns whose sound is in memory, by their ids, and tells which one is to go.

    It belongs to one thread.
    """

    def __init__(self, longest_s: float = LONGEST_SOUND_S) -> None:
        self._longest_s = longest_s
        self._seconds: dict[int, float] = {}  # by turn_id, the oldest first

    def put(self, turn_id: int, sound_s: float) -> tuple[int, ...]:
        """Adds a turn of ``sound_s`` seconds; the ids of those whose sound is to be let go of.

        The newest turn stays, however long it is.
        """
        self._seconds[turn_id] = sound_s
        total_s = sum(self._seconds.values())
        let_go = []
        for oldest, seconds in list(self._seconds.items())[:-1]:
            if total_s <= self._longest_s:
                break
            total_s -= seconds
            del self._seconds[oldest]
            let_go.append(oldest)
        return tuple(let_go)

    def drop(self, turn_id: int) -> None:
        """Forgets a turn that was taken out."""
        self._seconds.pop(turn_id, None)
