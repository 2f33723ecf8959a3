"""The entry in a Linux desktop's menu, and what its software centre tells of the program."""
# ruff: noqa: RUF001 - full-width marks are how Chinese is written

import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime
from pathlib import Path

from installers.project import PACKAGING, ROOT, Project

_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_SUMMARY_ZH = "在自己的电脑上，与会出声回答的语言模型对话"
_DESCRIPTION = (
    (
        "Ask a question aloud and hear the answer while it is being made. Speech goes in and "
        "speech comes out of one language model that runs on this computer; you can talk over an "
        "answer to interrupt it, or type instead.",
        "开口提问，回答一边生成一边说出来。语音由同一个语言模型听懂并说出，模型就在这台电脑上运行；可以随时插话打断，也可以打字。",
    ),
    (
        "Nothing you say leaves the computer, and nothing is written down unless you want it.",
        "你说的话不会离开这台电脑；除非你愿意，也不会写下任何内容。",
    ),
)


def entry(program: str = "parley") -> str:
    """The desktop entry that starts ``program``, a command or a whole path."""
    text = (PACKAGING / "linux" / "parley.desktop").read_text(encoding="utf-8")
    if program == "parley":
        return text
    quoted = _quoted(program)
    return (
        text.replace("Exec=parley gui", f"Exec={quoted} gui")
        .replace("Exec=parley toggle", f"Exec={quoted} toggle")
        .replace("TryExec=parley\n", f"TryExec={program}\n")
    )


def icon() -> Path:
    """The program's icon, which scales."""
    return ROOT / "assets" / "icons" / "parley.svg"


def metainfo(project: Project, epoch: int) -> str:
    """The AppStream component, https://www.freedesktop.org/software/appstream/docs/."""
    component = ElementTree.Element("component", type="desktop-application")
    _add(component, "id", project.app_id)
    _add(component, "metadata_license", "CC0-1.0")
    _add(component, "project_license", project.licence)
    _add(component, "name", "Parley")
    _add(component, "summary", "Talk with a language model that answers aloud")
    _add(component, "summary", _SUMMARY_ZH, "zh_CN")
    developer = ElementTree.SubElement(component, "developer", id=_developer(project.app_id))
    _add(developer, "name", project.maintainer.partition(" <")[0])
    description = ElementTree.SubElement(component, "description")
    for english, chinese in _DESCRIPTION:
        _add(description, "p", english)
        _add(description, "p", chinese, "zh_CN")
    launchable = _add(component, "launchable", "parley.desktop")
    launchable.set("type", "desktop-id")
    _add(component, "icon", "parley").set("type", "stock")
    _add(ElementTree.SubElement(component, "categories"), "category", "Utility")
    if project.homepage:
        _add(component, "url", project.homepage).set("type", "homepage")
    provides = ElementTree.SubElement(component, "provides")
    _add(provides, "binary", "parley")
    languages = ElementTree.SubElement(component, "languages")
    for language in ("en", "zh_CN"):
        _add(languages, "lang", language).set("percentage", "100")
    ElementTree.SubElement(component, "content_rating", type="oars-1.1")
    releases = ElementTree.SubElement(component, "releases")
    day = datetime.fromtimestamp(epoch, UTC).date().isoformat()
    ElementTree.SubElement(releases, "release", version=project.version, date=day)
    ElementTree.indent(component)
    body = ElementTree.tostring(component, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _add(
    parent: ElementTree.Element, tag: str, text: str, language: str | None = None
) -> ElementTree.Element:
    element = ElementTree.SubElement(parent, tag)
    element.text = text
    if language is not None:
        element.set(_XML_LANG, language)
    return element


def _developer(app_id: str) -> str:
    return app_id.rpartition(".")[0].lower()


def _quoted(path: str) -> str:
    """A path as an argument of ``Exec``: quoted, with what stands for something escaped."""
    for letter in ("\\", '"', "`", "$"):
        path = path.replace(letter, f"\\{letter}")
    # The entry's own escapes are read before those of the argument.
    return '"' + path.replace("\\", "\\\\").replace("%", "%%") + '"'
