"""What the window says when an update check has an answer, with the way to the release's page."""

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from app.ui.notice_area import Action, Severity
from app.ui.ports import NoUpdate, Program, UpdateFound
from app.ui.translations import NoticeStrings

Tell: TypeAlias = Callable[[Severity, str, Action | None], None]


def tell_update(
    event: UpdateFound | NoUpdate, program: Program, words: NoticeStrings, tell: Tell
) -> None:
    """Shows the answer."""
    own = program.version
    match event:
        case UpdateFound(version, page):
            action = Action(words.update_page, partial(program.open_page, page))
            text = words.update_found.format(version=version, own=own)
            tell(Severity.INFORMATION, text, action)
        case NoUpdate(""):
            tell(Severity.INFORMATION, words.update_none.format(own=own), None)
        case NoUpdate(failure):
            tell(Severity.WARNING, words.update_failed.format(message=failure), None)
