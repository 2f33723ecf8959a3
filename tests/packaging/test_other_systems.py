"""What is built on Windows and macOS only, as far as it can be told from here."""

import plistlib
import re
import shutil
import struct
from pathlib import Path

import pytest
from installers import icons, macos, windows
from installers.project import PackagingError, Project

ROOT = Path(__file__).resolve().parent.parent.parent
PICTURES = {16: b"sixteen", 256: b"large", 512: b"larger"}


def test_the_icon_is_drawn_in_every_size() -> None:
    drawn = icons.draw(ROOT / "assets" / "icons" / "parley.svg")
    assert tuple(drawn) == icons.SIZES
    for size, content in drawn.items():
        assert content[:8] == b"\x89PNG\r\n\x1a\n"
        assert struct.unpack(">II", content[16:24]) == (size, size)


def test_a_windows_icon_lists_its_pictures() -> None:
    content = icons.ico(PICTURES)
    assert struct.unpack("<HHH", content[:6]) == (0, 1, 2)
    for n, size in enumerate((16, 256)):
        width, _, _, _, _, depth, length, place = struct.unpack_from(
            "<BBBBHHII", content, 6 + 16 * n
        )
        assert (width or 256, depth) == (size, 32)
        assert content[place : place + length] == PICTURES[size]


def test_a_macos_icon_holds_its_pictures() -> None:
    content = icons.icns(PICTURES)
    assert content[:4] == b"icns" and struct.unpack(">I", content[4:8])[0] == len(content)
    found, place = {}, 8
    while place < len(content):
        length = struct.unpack_from(">I", content, place + 4)[0]
        found[content[place : place + 4]] = content[place + 8 : place + length]
        place += length
    assert found == {b"icp4": b"sixteen", b"ic08": b"large", b"ic09": b"larger"}


def test_the_bundle_says_why_it_listens(facts: Project) -> None:
    told = plistlib.loads(plistlib.dumps(macos.info_plist(facts)))
    assert "listens" in told["NSMicrophoneUsageDescription"]
    assert told["CFBundleShortVersionString"] == "1.2.3"
    assert told["CFBundleLocalizations"] == ["en", "zh-Hans"]


def test_the_entitlements_allow_the_microphone_and_no_more_than_needed() -> None:
    with macos.ENTITLEMENTS.open("rb") as file:
        assert plistlib.load(file) == {
            "com.apple.security.device.audio-input": True,
            "com.apple.security.cs.allow-unsigned-executable-memory": True,
            "com.apple.security.cs.disable-library-validation": True,
        }


def test_the_reason_is_there_in_every_language(tmp_path: Path) -> None:
    macos.add_translations(tmp_path)
    found = sorted(tmp_path.rglob("InfoPlist.strings"))
    assert [path.parent.name for path in found] == ["en.lproj", "zh-Hans.lproj"]
    for path in found:
        assert re.fullmatch(r'"NSMicrophoneUsageDescription" = "[^"]+";\n', path.read_text("utf-8"))


def test_without_a_certificate_the_bundle_is_signed_ad_hoc_and_not_notarised() -> None:
    calls = macos.commands(Path("b/Parley.app"), Path("x.dmg"), {})
    assert [call[0] for call in calls] == ["codesign", "codesign", "hdiutil"]
    assert calls[0][calls[0].index("--sign") + 1] == "-" and "--timestamp" not in calls[0]


def test_with_a_certificate_it_is_signed_notarised_and_stapled() -> None:
    given = {macos.IDENTITY: "Developer ID: X", macos.NOTARY_PROFILE: "parley"}
    calls = macos.commands(Path("b/Parley.app"), Path("x.dmg"), given)
    assert [call[:2] for call in calls[2:]] == [
        ("hdiutil", "create"),
        ("codesign", "--sign"),
        ("xcrun", "notarytool"),
        ("xcrun", "stapler"),
    ]
    assert "--timestamp" in calls[0] and "--wait" in calls[4]


def test_a_disk_image_is_made_on_macos_only(tmp_path: Path) -> None:
    with pytest.raises(PackagingError, match="macOS"):
        macos.pack(tmp_path / "Parley.app", tmp_path / "x.dmg", {})


def definitions(facts: Project, program: Path) -> dict[str, str]:
    call = windows.command(facts, program, Path("i.ico"), Path("t.exe"))
    return dict(part[2:].split("=", 1) for part in call if part.startswith("-D"))


def test_the_installer_is_given_every_definition_that_its_script_uses(
    facts: Project, program: Path
) -> None:
    script = windows.SCRIPT.read_text(encoding="utf-8")
    used = set(re.findall(r"\$\{([A-Z0-9_]+)\}", script))
    own = set(re.findall(r"^!define (\w+)", script, re.MULTILINE))
    theirs = {"LANG_ENGLISH", "LANG_SIMPCHINESE"}
    assert used - own - theirs == set(definitions(facts, program))


def test_every_text_of_the_installer_is_there_in_both_languages() -> None:
    script = windows.SCRIPT.read_text(encoding="utf-8")
    texts = {
        language: re.findall(rf"^LangString (\w+) \${{LANG_{language}}}", script, re.MULTILINE)
        for language in ("ENGLISH", "SIMPCHINESE")
    }
    assert texts["ENGLISH"] == texts["SIMPCHINESE"]
    assert set(re.findall(r"\$\(([A-Z0-9_]+)\)", script)) == set(texts["ENGLISH"])


def test_the_installer_is_for_one_user_and_never_waits_when_silent() -> None:
    script = windows.SCRIPT.read_text(encoding="utf-8")
    assert "RequestExecutionLevel user" in script
    assert "HKLM" not in script and "SetShellVarContext all" not in script
    boxes = [line for line in script.splitlines() if "MessageBox" in line]
    assert boxes and all("/SD ID" in line for line in boxes)
    assert "WriteRegStr HKCR" not in script  # no file associations


def test_versions_become_four_numbers_for_windows(facts: Project, program: Path) -> None:
    assert definitions(facts, program)["VERSION_NUMBERS"] == "1.2.3.0"
    assert "filevers=(1, 2, 3, 0)" in windows.version_resource(facts)
    compile(windows.version_resource(facts), "version.txt", "eval")


@pytest.mark.skipif(shutil.which("makensis") is None, reason="needs makensis")
def test_the_installer_compiles(facts: Project, program: Path, tmp_path: Path) -> None:
    """A stand-in of the program is packed; that the script is right is what is tried here."""
    for name in ("parley.exe", "parley-window.exe"):
        (program / name).write_bytes(b"MZ" + bytes(100))
    icon = tmp_path / "parley.ico"
    icon.write_bytes(icons.ico(icons.draw(ROOT / "assets" / "icons" / "parley.svg")))
    windows.pack(facts, program, icon, tmp_path / "setup.exe")
    assert (tmp_path / "setup.exe").read_bytes()[:2] == b"MZ"
