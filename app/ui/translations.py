"""Every text of the window as typed tables, one instance for each language.

A text with a name in braces is filled with ``str.format``; a test holds the names equal in all
languages. ``&`` marks the letter that opens a menu from the keyboard.
"""

from dataclasses import dataclass

from app.settings import Language
from engine.modes import InferenceMode


@dataclass(frozen=True, slots=True)
class MenuStrings:
    """The menu bar and the tray."""

    conversation: str
    new: str
    export_markdown: str
    export_json: str
    export_sound: str
    delete: str
    quit: str
    view: str
    past_conversations: str
    latency_details: str
    tools: str
    mode_lab: str
    models: str
    settings: str
    help: str
    keys: str
    open_logs: str
    check_updates: str
    licences: str
    about: str
    show_window: str
    hide_window: str


@dataclass(frozen=True, slots=True)
class TalkStrings:
    """The talk button, what it says about its state, and the typed input."""

    name: str
    loading: str
    loading_share: str
    unavailable: str
    no_microphone: str
    idle_hold: str
    idle_tap: str
    idle_hands_free: str
    listening_hold: str
    listening_tap: str
    listening_hands_free: str
    thinking: str
    speaking: str
    replaying: str
    talk_mode: str
    hold: str
    tap: str
    hands_free: str
    stop: str
    stop_hint: str
    type_here: str
    send: str


@dataclass(frozen=True, slots=True)
class ConversationStrings:
    """The conversation and what can be done with one turn."""

    name: str
    you: str
    assistant: str
    spoken: str
    empty_title: str
    empty_text: str
    empty_private: str
    empty_kept: str
    suggestions: str
    suggested: tuple[str, ...]
    play_question: str
    play_answer: str
    copy: str
    save: str
    save_question: str
    save_answer: str
    interrupted: str
    cut_at_limit: str
    failed: str
    turn_name: str
    to_first_sound: str
    to_latest: str
    forgotten: str
    forgotten_hint: str
    sound_gone: str


@dataclass(frozen=True, slots=True)
class LatencyStrings:
    """The latency strip, its stages and its figures."""

    name: str
    none_yet: str
    mouth_to_ear: str
    mouth_to_ear_hint: str
    typed_to_ear: str
    model_only: str
    model_only_hint: str
    tokens_per_s: str
    tokens_per_s_hint: str
    real_time_factor: str
    real_time_factor_hint: str
    underruns: str
    underruns_hint: str
    drafts_accepted: str
    drafts_accepted_hint: str
    context: str
    context_hint: str
    percentiles: str
    percentiles_hint: str
    no_percentiles: str
    details: str
    stages: tuple[str, str, str, str, str, str]
    stages_name: str


@dataclass(frozen=True, slots=True)
class ModeStrings:
    """The dropdowns and buttons above the conversation."""

    mode: str
    model: str
    vanilla: str
    balance: str
    boost: str
    turbo: str
    verified: str
    vanilla_hint: str
    balance_hint: str
    boost_hint: str
    turbo_hint: str
    verified_hint: str
    answers: str
    show_sidebar: str
    no_model: str
    more_models: str

    def of(self, mode: InferenceMode) -> str:
        """The name of a mode."""
        names = (self.vanilla, self.balance, self.boost, self.turbo, self.verified)
        return names[list(InferenceMode).index(mode)]

    def hint_of(self, mode: InferenceMode) -> str:
        """What a mode does."""
        hints = (
            *(self.vanilla_hint, self.balance_hint, self.boost_hint, self.turbo_hint),
            self.verified_hint,
        )
        return hints[list(InferenceMode).index(mode)]


@dataclass(frozen=True, slots=True)
class HistoryStrings:
    """The list of past conversations."""

    title: str
    off: str
    turn_on: str
    empty: str
    list_name: str
    untitled: str
    one_turn: str
    n_turns: str
    when: str
    delete: str
    delete_question: str
    yes_delete: str
    export: str
    export_empty: str


@dataclass(frozen=True, slots=True)
class SettingsStrings:
    """The settings dialog."""

    title: str
    pages: str
    general: str
    sound: str
    talking: str
    answers: str
    privacy: str
    theme: str
    theme_system: str
    theme_light: str
    theme_dark: str
    language: str
    language_system: str
    large_text: str
    microphone: str
    speaker: str
    system_default: str
    not_connected: str
    volume: str
    echo_cancellation: str
    echo_hint: str
    noise_suppression: str
    gain_control: str
    talk_mode: str
    patience: str
    patience_hint: str
    soon: str
    late: str
    sensitivity: str
    sensitivity_hint: str
    low: str
    high: str
    talk_key: str
    stop_key: str
    global_hotkey: str
    global_hint: str
    no_key: str
    press_key: str
    clear_key: str
    key_taken: str
    voice: str
    own_voice: str
    seed: str
    seed_fixed: str
    seed_hint: str
    greedy: str
    temperature: str
    top_k: str
    top_p: str
    model_default: str
    off: str
    keep_history: str
    keep_hint: str
    retention: str
    retention_for_ever: str
    retention_days: str
    delete_all: str
    delete_all_question: str
    check_updates: str
    check_updates_hint: str
    offline: str
    offline_hint: str
    mirror: str
    mirror_hint: str
    save: str
    cancel: str


@dataclass(frozen=True, slots=True)
class LabStrings:
    """The mode lab."""

    title: str
    intro: str
    utterance: str
    last_question: str
    question_of_turn: str
    sample: str
    choose_file: str
    file_filter: str
    repeats: str
    start: str
    cancel: str
    close: str
    waiting: str
    progress: str
    progress_of: str
    cancelled: str
    failed: str
    chart_name: str
    chart_scale: str
    mode: str
    first_sound: str
    tokens_per_s: str
    speed_up: str
    drafts_accepted: str
    answer: str
    play: str
    listen: str
    compare_a: str
    compare_b: str
    play_both: str
    export_html: str
    export_csv: str
    exported: str


@dataclass(frozen=True, slots=True)
class ModelsStrings:
    """Getting, checking and removing models."""

    title: str
    intro: str
    list_name: str
    absent: str
    partial: str
    complete: str
    in_use: str
    size: str
    to_fetch: str
    licences: str
    looking: str
    fits: str
    tight: str
    too_large: str
    speed: str
    get: str
    go_on: str
    use_folder: str
    choose_folder: str
    verify: str
    remove: str
    remove_question: str
    yes_remove: str
    cancel: str
    close: str
    licence_title: str
    licence_intro: str
    licence_elsewhere: str
    accept: str
    decline: str
    asking: str
    fetching: str
    checking: str
    removing: str
    cancelling: str
    fetched: str
    checked: str
    removed: str
    cancelled: str
    declined: str
    faulty: str
    failed: str


@dataclass(frozen=True, slots=True)
class NoticeStrings:
    """What is told above the conversation."""

    dismiss: str
    try_again: str
    engine_unavailable: str
    input_lost: str
    input_fell_back: str
    input_back: str
    input_missing: str
    output_lost: str
    output_fell_back: str
    output_back: str
    output_missing: str
    reply_failed: str
    nothing_heard: str
    no_microphone: str
    no_hotkey: str
    conversation_restarted: str
    internal_error: str
    not_saved: str
    settings_broken: str
    settings_newer: str
    settings_unknown: str
    history_broken: str
    history_newer: str
    kept_as: str
    saved_as: str
    sounds_missing: str
    could_not_save: str
    update_found: str
    update_page: str
    update_none: str
    update_failed: str


@dataclass(frozen=True, slots=True)
class AboutStrings:
    """Help: keys, licences, the program itself."""

    about_title: str
    about_text: str
    version: str
    licences_title: str
    licences_name: str
    keys_title: str
    keys: tuple[tuple[str, str], ...]
    update_question: str
    update_yes: str
    update_no: str
    close: str


@dataclass(frozen=True, slots=True)
class Strings:
    """All texts of one language; ``locale_name`` says how it writes dates."""

    locale_name: str
    menu: MenuStrings
    talk: TalkStrings
    conversation: ConversationStrings
    latency: LatencyStrings
    mode: ModeStrings
    history: HistoryStrings
    settings: SettingsStrings
    lab: LabStrings
    models: ModelsStrings
    notices: NoticeStrings
    about: AboutStrings


def strings_for(language: Language, system_locale: str) -> Strings:
    """The texts of a language; SYSTEM takes Chinese where the desktop's locale is Chinese."""
    is_chinese = language is Language.ZH or (
        language is Language.SYSTEM and system_locale.lower().startswith("zh")
    )
    if is_chinese:
        from app.ui.chinese import CHINESE

        return CHINESE
    from app.ui.english import ENGLISH

    return ENGLISH
