"""The window is up at once: it imports only what it needs."""

import subprocess
import sys
from pathlib import Path

from PySide6.QtWidgets import QApplication, QWidget

ROOT = Path(__file__).resolve().parents[3]
LATER = (
    *("torch", "sounddevice", "soundfile", "soxr", "onnxruntime", "sqlite3", "tokenizers"),
    *("app.ui.settings_dialog", "app.ui.lab_dialog", "app.ui.help_dialogs", "app.lab.runner"),
)
PROGRAM = f"""
import sys, time
from PySide6.QtWidgets import QApplication
program = QApplication([])
from app.settings import Settings
from app.ui.main_window import MainWindow
from app.ui.ports import Ports

class Nothing:
    version = "0"
    def __getattr__(self, name):
        return lambda *_: None if name == "current" else ()

nothing = Nothing()
window = MainWindow(Settings(), print, Ports(*[nothing] * 5))
window.show()
program.processEvents()
print([name for name in {LATER!r} if name in sys.modules], time.process_time())
"""


def test_qts_bindings_give_back_the_references_they_take(qapp: QApplication) -> None:
    """Pins a fault of PySide6 6.12.0: each call took one, until Python 3.11 crashed."""
    widget = QWidget()
    before = sys.getrefcount(None)
    for _ in range(200):
        widget.update()
    assert sys.getrefcount(None) > before - 100


def test_the_window_imports_only_what_it_needs_and_is_up_in_a_second() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={"QT_QPA_PLATFORM": "offscreen", "PATH": "/usr/bin:/bin"},
    )
    imported, _, seconds = ran.stdout.strip().rpartition("] ")
    assert imported == "["
    assert float(seconds) < 1.0
