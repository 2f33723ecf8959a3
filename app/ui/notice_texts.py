"""What the window says about each notice, in its language."""

from app.set_aside import StoreNotice, StoreNoticeKind
from app.ui.notice_area import Severity
from app.ui.translations import NoticeStrings
from app.ui_events import DeviceChange, DeviceNotice, DeviceRole, Notice, NoticeKind


def of_notice(notice: Notice, words: NoticeStrings) -> tuple[Severity, str]:
    """A notice of the dialogue; the detail in it, which is English, follows the sentence."""
    severity, sentence = {
        NoticeKind.REPLY_FAILED: (Severity.ERROR, words.reply_failed),
        NoticeKind.NOTHING_HEARD: (Severity.WARNING, words.nothing_heard),
        NoticeKind.CONVERSATION_RESTARTED: (Severity.INFORMATION, words.conversation_restarted),
        NoticeKind.INTERNAL_ERROR: (Severity.ERROR, words.internal_error),
        NoticeKind.NOT_SAVED: (Severity.ERROR, words.not_saved),
        NoticeKind.NO_MICROPHONE: (Severity.ERROR, words.no_microphone),
        NoticeKind.NO_HOTKEY: (Severity.WARNING, words.no_hotkey),
    }[notice.kind]
    return severity, f"{sentence} {notice.message}".strip()


def of_device(notice: DeviceNotice, words: NoticeStrings) -> tuple[Severity, str]:
    """What became of a microphone or a speaker."""
    is_input = notice.role is DeviceRole.INPUT
    severity, sentence = {
        DeviceChange.LOST: (
            Severity.ERROR,
            words.input_lost if is_input else words.output_lost,
        ),
        DeviceChange.FELL_BACK: (
            Severity.WARNING,
            words.input_fell_back if is_input else words.output_fell_back,
        ),
        DeviceChange.BACK: (
            Severity.INFORMATION,
            words.input_back if is_input else words.output_back,
        ),
        DeviceChange.MISSING: (
            Severity.WARNING,
            words.input_missing if is_input else words.output_missing,
        ),
    }[notice.change]
    return severity, sentence.format(name=notice.name)


def of_store(notice: StoreNotice, words: NoticeStrings) -> tuple[Severity, str]:
    """What was wrong with a stored file, and where it lies now."""
    sentence = {
        StoreNoticeKind.SETTINGS_BROKEN: words.settings_broken,
        StoreNoticeKind.SETTINGS_NEWER: words.settings_newer,
        StoreNoticeKind.SETTINGS_UNKNOWN_KEYS: words.settings_unknown,
        StoreNoticeKind.HISTORY_BROKEN: words.history_broken,
        StoreNoticeKind.HISTORY_NEWER: words.history_newer,
    }[notice.kind]
    kept = words.kept_as.format(path=notice.kept_as) if notice.kept_as else ""
    detail = f"({notice.detail})" if notice.detail else ""
    return Severity.WARNING, " ".join(part for part in (sentence, detail, kept) if part)
