"""The macOS recipe: what the bundle tells of itself, and the calls that sign, pack and notarise it.

The commands are given as data, so that they can be read and tested on any system; they run on macOS
only. ``PARLEY_CODESIGN_IDENTITY`` names the certificate, ``PARLEY_NOTARY_PROFILE`` the profile that
`xcrun notarytool store-credentials` has kept; without the first the bundle is signed ad hoc and
starts on its builder's machine only.
"""
# ruff: noqa: RUF001 - full-width marks are how Chinese is written

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from installers.project import PACKAGING, PackagingError, Project, architecture

ENTITLEMENTS = PACKAGING / "macos" / "entitlements.plist"
IDENTITY = "PARLEY_CODESIGN_IDENTITY"
NOTARY_PROFILE = "PARLEY_NOTARY_PROFILE"

# Microphone texts by the language's folder in the bundle.
MICROPHONE = {
    "en": "Parley listens to you while you ask something. Nothing is sent or kept.",
    "zh-Hans": "Parley 在你提问时聆听，不会发送或保存声音。",
}


def file_name(project: Project) -> str:
    """The name of the disk image."""
    return f"{project.name}-{project.version}-macos-{architecture()}.dmg"


def info_plist(project: Project) -> dict[str, object]:
    """What the bundle tells of itself beyond what PyInstaller writes."""
    return {
        "CFBundleDisplayName": "Parley",
        "CFBundleShortVersionString": project.version,
        "CFBundleVersion": project.version,
        "CFBundleDevelopmentRegion": "en",
        "CFBundleLocalizations": list(MICROPHONE),
        "LSApplicationCategoryType": "public.app-category.productivity",
        "LSMinimumSystemVersion": "12.0",
        "NSHighResolutionCapable": True,
        "NSMicrophoneUsageDescription": MICROPHONE["en"],
        "NSRequiresAquaSystemAppearance": False,
    }


def add_translations(app: Path) -> None:
    """Puts the microphone text of every language into the bundle."""
    for language, text in MICROPHONE.items():
        folder = app / "Contents" / "Resources" / f"{language}.lproj"
        folder.mkdir(parents=True, exist_ok=True)
        strings = f'"NSMicrophoneUsageDescription" = "{text}";\n'
        (folder / "InfoPlist.strings").write_text(strings, encoding="utf-8")


def commands(app: Path, image: Path, environment: Mapping[str, str]) -> tuple[tuple[str, ...], ...]:
    """The calls, in order: sign, check, pack, and where there is a certificate notarise."""
    identity = environment.get(IDENTITY, "-")
    sign = ("codesign", "--force", "--options", "runtime", "--sign", identity)
    stamp = ("--timestamp",) if identity != "-" else ()
    calls: list[tuple[str, ...]] = [
        (*sign, *stamp, "--deep", "--entitlements", str(ENTITLEMENTS), str(app)),
        ("codesign", "--verify", "--deep", "--strict", str(app)),
        (
            *("hdiutil", "create", "-volname", "Parley", "-srcfolder", str(app.parent)),
            *("-fs", "HFS+", "-format", "UDZO", "-ov", str(image)),
        ),
    ]
    if identity != "-":
        calls.append(("codesign", "--sign", identity, *stamp, str(image)))
    if profile := environment.get(NOTARY_PROFILE):
        submit = ("xcrun", "notarytool", "submit", str(image))
        calls.append((*submit, "--keychain-profile", profile, "--wait"))
        calls.append(("xcrun", "stapler", "staple", str(image)))
    return tuple(calls)


def pack(app: Path, image: Path, environment: Mapping[str, str]) -> None:
    """Makes the disk image with the bundle and a link to the folder for programs."""
    if sys.platform != "darwin":
        raise PackagingError("a disk image is made on macOS only")
    add_translations(app)
    link = app.parent / "Applications"
    if not link.is_symlink():
        link.symlink_to("/Applications")
    for call in commands(app, image, environment):
        if subprocess.run(call, check=False).returncode != 0:
            raise PackagingError(f"{' '.join(call[:2])} failed; what it said stands above")
