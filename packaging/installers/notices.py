"""The licences of all that ships, as one text: the program shows it, and it lies beside it."""

from collections.abc import Iterable

from installers.components import Component

_RULE = "\n\n" + "-" * 72 + "\n"


def text_of(own: str, components: Iterable[Component]) -> str:
    """The program's own licence, then name, version, licence and texts of every component."""
    parts = [own.strip()]
    for item in components:
        head = f"{item.name} {item.version}: {item.licence}"
        parts.append("\n\n".join((head, *item.texts)))
    return _RULE.join(parts) + "\n"


def without_licence(components: Iterable[Component]) -> tuple[str, ...]:
    """The components that name no licence and bring no text: a packager has to look them up."""
    return tuple(
        item.name for item in components if not item.texts and item.licence.startswith("see ")
    )
