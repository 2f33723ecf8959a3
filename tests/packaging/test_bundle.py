"""What ships and what does not, and the lists of it."""

import os
import re
from pathlib import Path

import pytest
from installers import bundle, file_list

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize(
    "path",
    [
        "assets/models/nano/model.safetensors",
        "livekit/rtc/resources/liblivekit_ffi.so",
        "PySide6/Qt/lib/libQt6Widgets.so.6",
        "PySide6/Qt/lib/libQt6OpenGL.so.6",
        "PySide6/Qt/plugins/platforms/libqoffscreen.so",
        "PySide6/Qt/plugins/platforms/libqxcb.so",
        "PySide6\\plugins\\platforms\\qwindows.dll",
        "PySide6/Qt/translations/qtbase_zh_CN.qm",
        "silero_vad/data/silero_vad_16k_op15.onnx",
        "torch/bin/torch_shm_manager",
        "torch/lib/libtorch_cpu.so",
        "torch/testing/__init__.py",
        "libssl.so.3",
        "libHelper.so",
    ],
)
def test_what_the_program_loads_ships(path: str) -> None:
    assert bundle.is_wanted(path)


@pytest.mark.parametrize(
    "path",
    [
        "libasound.so.2",
        "libportaudio.so.2",
        "torch/bin/protoc",
        "torch/include/ATen/ATen.h",
        "torch/lib/libtorch_cuda.so",
        "torch/lib/libgcc.a",
        "torch/test/test_api",
        "nvidia/cudnn/lib/libcudnn.so.9",
        "onnxruntime/capi/libonnxruntime_providers_cuda.so",
        "PySide6/Qt/lib/libQt6Quick.so.6",
        "libQt6Quick.so.6",
        "PySide6/Qt/lib/libQt6Pdf.so.6",
        "PySide6/Qt6Qml.dll",
        "PySide6/QtQml.abi3.so",
        "PySide6/Qt/plugins/imageformats/libqpdf.so",
        "PySide6/Qt/plugins/sqldrivers/libqsqlite.so",
        "PySide6/Qt/translations/qtbase_de.qm",
        "PySide6/Qt/qml/QtQml/qmldir",
    ],
)
def test_what_it_never_loads_does_not(path: str) -> None:
    assert not bundle.is_wanted(path)


def test_what_is_excluded_is_imported_nowhere_in_the_program() -> None:
    shipped = [*(ROOT / "app").rglob("*.py"), *(ROOT / "engine").rglob("*.py")]
    left_out = ("engine/training/", "engine/evaluation/")
    excused = ("app/commands/train.py", "app/commands/evaluate.py")  # they say that it is not there
    for path in shipped:
        name = path.relative_to(ROOT).as_posix()
        if name.startswith(left_out) or name in excused:
            continue
        imported = re.findall(
            r"^\s*(?:from|import) ([\w.]+)", path.read_text("utf-8"), re.MULTILINE
        )
        for module in bundle.EXCLUDED_MODULES:
            found = [each for each in imported if f"{each}.".startswith(f"{module}.")]
            assert not found, name


def test_the_same_content_gives_the_same_list(program: Path, tmp_path: Path) -> None:
    first = file_list.text_of(file_list.files_of(program))
    for path in program.rglob("*"):
        if not path.is_symlink():
            os.utime(path, (0, 0))
    assert file_list.text_of(file_list.files_of(program)) == first
    assert first.count("\n") == 4
    assert file_list.parse(first) == file_list.files_of(program)


def test_every_difference_is_told(program: Path) -> None:
    before = file_list.files_of(program)
    (program / "_internal" / "libx.so.1").write_bytes(b"other")
    (program / "_internal" / "libx.so").unlink()
    (program / "new").write_text("")
    (program / "parley").chmod(0o644)
    assert file_list.differences(before, before) == ()
    assert file_list.differences(before, file_list.files_of(program)) == (
        "only in the first: _internal/libx.so",
        "differs: _internal/libx.so.1 (5004, 5 bytes)",
        "only in the second: new",
        "differs: parley (33, 33 bytes)",
    )
