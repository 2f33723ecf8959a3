"""What the dialogue has to be told when settings change. Pure."""

from collections.abc import Iterator

from app.settings import Settings
from app.ui_commands import Command, SetAudio, SetMode, SetModel, SetSampling, SetTurns


def commands_for(old: Settings, new: Settings) -> Iterator[Command]:
    """The commands that take the dialogue from the old settings to the new ones."""
    if new.model.mode is not old.model.mode:
        yield SetMode(new.model.mode)
    if new.model.model != old.model.model:
        yield SetModel(new.model.model)
    if _sampling(new) != _sampling(old):
        yield SetSampling(new.model)
    if new.turns != old.turns:
        yield SetTurns(new.turns)
    if new.audio != old.audio:
        yield SetAudio(new.audio)


def _sampling(settings: Settings) -> tuple[object, ...]:
    model = settings.model
    return model.temperature, model.top_k, model.top_p, model.seed, model.greedy
