"""Texts made comparable: what is left once case and punctuation are dropped. Pure."""

import unicodedata


def normalised(text: str, lang: str) -> str:
    """English as lower-case words between single spaces, Mandarin as bare characters."""
    folded = unicodedata.normalize("NFKC", text).lower().replace("’", "'")  # noqa: RUF001
    if lang == "zh":
        return "".join(c for c in folded if c.isalnum())
    kept = "".join(c if c.isalnum() or c == "'" else " " for c in folded)
    return " ".join(word for piece in kept.split() if (word := piece.strip("'")))


def units(text: str, lang: str) -> tuple[str, ...]:
    """The words of an English text, the characters of a Mandarin one, normalised."""
    clean = normalised(text, lang)
    return tuple(clean) if lang == "zh" else tuple(clean.split())
