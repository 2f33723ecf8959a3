"""The module comes from the package webrtcvad-wheels, whose version it asks for when imported."""

from PyInstaller.utils.hooks import copy_metadata

datas = copy_metadata("webrtcvad-wheels")
hiddenimports = ["_webrtcvad"]
