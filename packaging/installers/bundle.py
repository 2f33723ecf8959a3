"""What goes into the frozen program and what is left out; the PyInstaller spec asks here.

Left out are training, evaluation and what only they and the tests need, CUDA, and the parts of Qt,
torch and the system that the program never loads.
"""

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import TypeVar

EXCLUDED_MODULES = (
    *("engine.training", "engine.evaluation", "tests"),
    *("jiwer", "pocketsphinx", "pypinyin", "pystoi", "rapidfuzz", "scipy", "tqdm"),
    *("tensorboard", "torch.utils.tensorboard", "transformers"),
    *("_pytest", "pytest", "pytestqt", "pytest_socket", "mypy", "ruff", "PyInstaller"),
    *("IPython", "matplotlib", "pandas", "PIL", "sklearn", "triton", "torchvision", "torchaudio"),
    *("nvidia", "pynvml", "onnxruntime.training", "onnxruntime.quantization"),
    *("onnxruntime.transformers", "onnxruntime.tools", "onnx", "silero_vad"),
    *("tkinter", "_tkinter", "idlelib", "lib2to3", "ensurepip", "pip", "setuptools", "wheel"),
    *("PySide6.QtQml", "PySide6.QtQuick", "PySide6.QtTest", "PySide6.QtDesigner"),
    *("PySide6.QtUiTools", "PySide6.QtSql", "PySide6.QtOpenGL", "PySide6.QtHelp"),
)
"""Modules that PyInstaller must not follow."""

HIDDEN_IMPORTS = ("engine.engine", "engine.benchmarks.report", "webrtcvad", "livekit.rtc")
"""Modules that are imported by a name which only the running program knows, or in functions."""

METADATA = ("silero-vad",)
"""Packages whose metadata the running program reads."""

# PortAudio speaks to the sound server of the machine it runs on, with that machine's plugins.
_SYSTEM_LIBRARIES = ("libportaudio.so", "libjack.so", "libasound.so", "libdb-5", "libpulse")
_CUDA: tuple[str, ...] = (
    "libcud",
    "libcublas",
    "libcufft",
    "libcurand",
    "libcusolver",
    "libcusparse",
    "libnv",
)
_CUDA += ("libnccl", "libcupti", "libtorch_cuda", "libc10_cuda", "cudart", "cudnn", "cublas")
_CUDA += ("onnxruntime_providers_cuda", "libonnxruntime_providers_cuda")
_CUDA += ("libonnxruntime_providers_tensorrt", "onnxruntime_providers_tensorrt")
_QT_LIBRARIES: tuple[str, ...] = (
    "Qml",
    "Quick",
    "VirtualKeyboard",
    "Pdf",
    "Sql",
    "Test",
    "Designer",
    "Help",
)
_QT_LIBRARIES += ("OpenGLWidgets", "UiTools", "Labs", "ShaderTools", "EglFS")
_QT_PLUGINS: tuple[str, ...] = (
    "sqldrivers",
    "platforminputcontexts/libqtvirtualkeyboard",
    "imageformats/libqpdf",
)
_QT_PLUGINS += ("platforminputcontexts/qtvirtualkeyboard", "imageformats/qpdf", "designer")
_QT_PLUGINS += ("qmltooling", "qmllint", "generic", "egldeviceintegrations")
_QT_PLUGINS += ("platforms/libqlinuxfb", "platforms/libqvkkhrdisplay", "platforms/libqvnc")
_QT_PLUGINS += ("platforms/libqeglfs", "platforms/libqminimalegl")
_QT_LANGUAGES = ("en", "zh_CN")
_TORCH_FOLDERS = ("include", "share", "test", "testing", "bin")
_DEVELOPMENT = (".a", ".lib", ".h", ".hpp", ".cuh", ".pyi", ".pdb", ".cmake", ".pxd", ".pyx")

Entry = TypeVar("Entry", bound=tuple[str, str, str])


def wanted(entries: Iterable[Entry]) -> list[Entry]:
    """The entries of a PyInstaller table that are shipped."""
    return [entry for entry in entries if is_wanted(entry[0])]


def is_wanted(destination: str) -> bool:
    """Whether a file is shipped, by its place in the program's folder."""
    path = PurePosixPath(destination.replace("\\", "/"))
    name, parts = path.name, path.parts
    if name.startswith(_SYSTEM_LIBRARIES) or name.startswith(_CUDA):
        return False
    # PyInstaller also links Qt's libraries at the top of the folder.
    library = name.removeprefix("lib").removeprefix("Qt6").removeprefix("Qt")
    if library != name.removeprefix("lib") and library.startswith(_QT_LIBRARIES):
        return False
    if path.suffix in _DEVELOPMENT or "__pycache__" in parts:
        return False
    if parts[0] == "torch" and len(parts) > 2 and parts[1] in _TORCH_FOLDERS:
        return name == "torch_shm_manager" or (parts[1] == "testing" and path.suffix == ".py")
    if parts[0] == "PySide6":
        return _is_wanted_of_qt(path)
    return True


def _is_wanted_of_qt(path: PurePosixPath) -> bool:
    text = path.as_posix()
    if "/translations/" in text:
        return path.stem.partition("_")[2] in _QT_LANGUAGES
    if "/qml/" in text or "/metatypes/" in text or "/typesystems/" in text:
        return False
    plugin = text.partition("/plugins/")[2]
    return not plugin.startswith(_QT_PLUGINS)
