"""The import rules: who may import whom, and what must not be imported to start quickly."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted([*(ROOT / "app").rglob("*.py"), *(ROOT / "engine").rglob("*.py"), ROOT / "main.py"])

PURE = {
    f"engine/{name}.py"
    for name in (
        "__init__",
        "cancel",
        "catalogue",
        "chat_template",
        "checksums",
        "config",
        "conversation",
        "errors",
        "events",
        "fit",
        "interleave",
        "model_folder",
        "modes",
        "precision",
        "processors",
        "releases",
        "safetensors_header",
        "sampling_params",
        "text_tokenizer",
        "tokenizer_parts",
        "verify",
        "vocab",
    )
}
THREADS_ALLOWED = ("app/assistant.py", "app/engine_worker.py", "app/audio/", "app/bridge.py")
THREADS_ALLOWED += ("app/model_worker.py",)
THREADS_ALLOWED += ("engine/cancel.py", "engine/training/")
# Lower layers first; a file may import its own layer and those below it.
LAYERS = (
    (*sorted(PURE - {"engine/__init__.py"}), "engine/requests.py", "engine/utterance.py"),
    (
        *("engine/models/", "engine/speech/"),
        *("engine/checkpoint.py", "engine/device.py", "engine/pickled_weights.py"),
        *("engine/download.py", "engine/machine.py", "engine/model_store.py"),
    ),
    (
        *("engine/sampling.py", "engine/drafts.py", "engine/verified.py", "engine/generate.py"),
        *("engine/loading.py", "engine/engine.py"),
    ),
    ("engine/training/", "engine/evaluation/", "engine/benchmarks/"),
)


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Every module a file imports, and whether that happens as soon as the file is imported."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    lazy = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or is_type_checking(node)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) not in lazy
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports are not used here"
            for alias in node.names:
                yield f"{node.module}.{alias.name}", id(node) not in lazy


def is_type_checking(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def is_within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def layer_of(name: str) -> int | None:
    return next((n for n, prefixes in enumerate(LAYERS) if name.startswith(prefixes)), None)


def layer_of_module(module: str) -> int | None:
    """The layer of an imported module, or of a name imported from one."""
    parent = module.rpartition(".")[0]
    paths = (f"{name.replace('.', '/')}{end}" for name in (module, parent) for end in ("/", ".py"))
    return next((layer for path in paths if (layer := layer_of(path)) is not None), None)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_imports_only_what_its_place_allows(path: Path) -> None:
    name = name_of(path)
    for module, is_eager in imports(path):
        told = f"{name} imports {module}"
        if name.startswith("engine/"):
            assert not is_within(module, "app"), told
        if not name.startswith(("app/ui/", "app/bridge.py", "app/application.py")):
            assert not is_within(module, "PySide6"), told
        if not name.startswith("app/audio/"):
            assert not is_within(module, "sounddevice"), told
        if not name.startswith(THREADS_ALLOWED):
            assert not is_within(module, "threading") and not is_within(module, "queue"), told
        if name.startswith("app/") or name in PURE or layer_of(name) == 0:
            assert not (is_eager and is_within(module, "torch")), told
        if name in PURE:
            assert not (is_eager and is_within(module, "numpy")), told
        assert not is_within(module, "transformers"), told


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_the_engine_imports_downwards_only(path: Path) -> None:
    name = name_of(path)
    top = len(LAYERS) - 1
    own = layer_of(name)
    for module, is_eager in imports(path):
        imported = layer_of_module(module)
        if imported is None:
            continue
        told = f"{name} imports {module}"
        if own is not None:
            assert imported <= own, told
        elif imported == top:
            assert name.startswith("app/commands/") and not is_eager, told


def test_the_pure_files_are_there() -> None:
    assert {name for name in PURE if not (ROOT / name).is_file()} == set()


HEAVY = ("torch", "transformers", "PySide6", "sounddevice", "onnxruntime")


@pytest.mark.parametrize(
    "program",
    [
        "import engine",
        "import app.cli; app.cli.parser()",
        "import app.assistant, app.engine_worker",
    ],
)
def test_importing_the_engine_or_showing_help_does_not_import_torch(program: str) -> None:
    check = f"import sys; {program}; print([m for m in {HEAVY} if m in sys.modules])"
    ran = subprocess.run(
        [sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[]"
