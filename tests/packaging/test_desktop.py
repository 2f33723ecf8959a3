"""The menu's entry and the software centre's component."""

import configparser
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from installers import desktop
from installers.project import Project

EPOCH = 1_767_225_600  # 2026-01-01
ODD = '/home/some one/语音 $x `y` "z" \\ 100%/parley'


def section(text: str, name: str = "Desktop Entry") -> configparser.SectionProxy:
    parser = configparser.RawConfigParser(strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    return parser[name]


def test_the_entry_starts_the_window_and_its_action_toggles() -> None:
    entry = section(desktop.entry())
    assert entry["Exec"] == "parley gui"
    assert entry["Icon"] == "parley"
    assert entry["Terminal"] == "false"
    assert section(desktop.entry(), "Desktop Action toggle")["Exec"] == "parley toggle"
    assert entry["Actions"] == "toggle;"


def test_every_text_of_the_entry_is_there_in_chinese() -> None:
    for name in ("Desktop Entry", "Desktop Action toggle"):
        entry = section(desktop.entry(), name)
        for key in ("GenericName", "Comment", "Keywords"):
            assert (key in entry) == (f"{key}[zh_CN]" in entry)
    assert "Name[zh_CN]" in section(desktop.entry(), "Desktop Action toggle")


def unquoted(argument: str) -> str:
    """What a desktop starts: the line's escapes, then the argument's, then the field codes."""
    line = argument.replace("\\\\", "\\")
    assert line[0] == line[-1] == '"'
    out, letters = "", iter(line[1:-1])
    for letter in letters:
        out += next(letters) if letter == "\\" else letter
    return out.replace("%%", "%")


def test_a_path_with_odd_letters_is_started_as_it_is() -> None:
    entry = section(desktop.entry(ODD))
    assert entry["Exec"].endswith(" gui")
    assert unquoted(entry["Exec"].removesuffix(" gui")) == ODD


def test_the_script_enters_the_same_as_the_packaging(tmp_path: Path) -> None:
    """``install.sh`` has to quote in the shell what ``desktop.entry`` quotes in Python."""
    from installers import archive

    folder = tmp_path / "some one 语音 $x `y` \\ 100% & |"
    home = tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    archive.add_installer(folder)
    (folder / "parley").write_text("#!/bin/sh\necho started\n")
    (folder / "parley").chmod(0o755)
    environment = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
    subprocess.run([folder / "install.sh"], env=environment, check=True, capture_output=True)
    entry = home / ".local/share/applications/parley.desktop"
    program = str(folder.resolve() / "parley")
    assert section(entry.read_text())["Exec"] == section(desktop.entry(program))["Exec"]
    assert section(entry.read_text())["TryExec"] == program
    ran = subprocess.run([home / ".local/bin/parley"], capture_output=True, text=True)
    assert ran.stdout == "started\n"
    subprocess.run(
        [folder / "uninstall.sh", "--purge"], env=environment, check=True, capture_output=True
    )
    assert [path for path in home.rglob("*") if not path.is_dir()] == []


@pytest.mark.skipif(
    shutil.which("desktop-file-validate") is None, reason="needs desktop-file-validate"
)
@pytest.mark.parametrize("program", ["parley", "/opt/some one/parley"])
def test_the_entry_is_valid(program: str, tmp_path: Path) -> None:
    path = tmp_path / "parley.desktop"
    path.write_text(desktop.entry(program), encoding="utf-8")
    ran = subprocess.run(["desktop-file-validate", path], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (0, "")


def test_the_component_is_well_formed_and_tells_the_version(facts: Project) -> None:
    component = ElementTree.fromstring(desktop.metainfo(facts, EPOCH).encode())
    assert component.findtext("id") == "app.parley.Parley"
    assert component.findtext("launchable") == "parley.desktop"
    release = component.find("releases/release")
    assert release is not None
    assert release.attrib == {"version": "1.2.3", "date": "2026-01-01"}
    language = "{http://www.w3.org/XML/1998/namespace}lang"
    assert [text.get(language) for text in component.findall("summary")] == [None, "zh_CN"]


@pytest.mark.skipif(shutil.which("appstreamcli") is None, reason="needs appstreamcli")
def test_the_component_is_valid(facts: Project, tmp_path: Path) -> None:
    path = tmp_path / "app.parley.Parley.metainfo.xml"
    path.write_text(desktop.metainfo(facts, EPOCH), encoding="utf-8")
    ran = subprocess.run(
        ["appstreamcli", "validate", "--no-net", path], capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stdout
