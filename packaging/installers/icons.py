"""The program's icon in the forms of Windows and macOS, drawn from its SVG."""

import os
import struct
from collections.abc import Mapping
from pathlib import Path

from installers.project import PackagingError

SIZES = (16, 32, 48, 64, 128, 256, 512)

_LARGEST_ICO = 256
# The types of PNG images in an icns file, by their size in pixels.
_ICNS_TYPES = {16: b"icp4", 32: b"icp5", 64: b"icp6", 128: b"ic07", 256: b"ic08", 512: b"ic09"}


def draw(svg: Path) -> dict[int, bytes]:
    """The picture as PNG in every size; opens no window."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PySide6.QtCore import QBuffer, QByteArray, QIODevice, Qt
    from PySide6.QtGui import QImage, QImageWriter, QPainter
    from PySide6.QtSvg import QSvgRenderer

    renderer = QSvgRenderer(str(svg))
    drawn = {}
    for size in SIZES:
        image = QImage(size, size, QImage.Format.Format_ARGB32)
        image.fill(Qt.GlobalColor.transparent)
        painter = QPainter(image)
        renderer.render(painter)
        painter.end()
        content = QByteArray()
        buffer = QBuffer(content)
        buffer.open(QIODevice.OpenModeFlag.WriteOnly)
        if not QImageWriter(buffer, QByteArray(b"png")).write(image):
            raise PackagingError(f"{svg} could not be drawn")
        drawn[size] = bytes(content.data())
    return drawn


def ico(pictures: Mapping[int, bytes]) -> bytes:
    """The icon of a Windows program."""
    chosen = sorted(size for size in pictures if size <= _LARGEST_ICO)
    place = 6 + 16 * len(chosen)
    entries, body = [], b""
    for size in chosen:
        side = size % 256  # 256 is written as 0
        content = pictures[size]
        entries.append(
            struct.pack("<BBBBHHII", side, side, 0, 0, 1, 32, len(content), place + len(body))
        )
        body += content
    return struct.pack("<HHH", 0, 1, len(chosen)) + b"".join(entries) + body


def icns(pictures: Mapping[int, bytes]) -> bytes:
    """The icon of a macOS program."""
    parts = [
        kind + struct.pack(">I", 8 + len(pictures[size])) + pictures[size]
        for size, kind in _ICNS_TYPES.items()
        if size in pictures
    ]
    body = b"".join(parts)
    return b"icns" + struct.pack(">I", 8 + len(body)) + body
