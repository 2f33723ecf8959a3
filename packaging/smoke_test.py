"""Tries the built packages as their user would, on a machine without Python, network or screen.

    smoke_test.py program FOLDER          the frozen folder, in a bare environment
    smoke_test.py deb PACKAGE --root DIR  the .deb in a clean Debian root: install, upgrade, remove
    smoke_test.py archive PACKAGE         the .tar.zst, unpacked below a name with spaces and Hanzi

Prints one line for each check and leaves with 1 where one failed. `deb` needs root, for chroot;
`make_root.sh` makes the Debian root. The network is taken away by a network namespace of its own.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "packaging"), str(ROOT)]

from installers import deb, debian_root, relocated, trial  # noqa: E402
from installers import project as projects  # noqa: E402
from installers.project import PackagingError  # noqa: E402
from installers.trial import Machine, Outcome  # noqa: E402


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one kind of trial; 0 all passed, 1 a check failed, 2 the trial could not be made."""
    parsed = _parser().parse_args(arguments)
    version = projects.load().version
    try:
        match parsed.command:
            case "program":
                outcomes = try_program(parsed.package, version, parsed.start_s)
            case "archive":
                with tempfile.TemporaryDirectory(prefix="parley smoke 语音 ") as folder:
                    outcomes = relocated.trial_of(parsed.package, Path(folder), version)
            case _:
                root = debian_root.Root(parsed.root.resolve())
                outcomes = debian_root.trial_of(root, parsed.package, parsed.older, version)
    except PackagingError as error:
        print(f"smoke_test.py: {error}", file=sys.stderr)
        return 2
    for outcome in outcomes:
        print(outcome.line(), flush=True)
    return 0 if all(outcome.is_passed for outcome in outcomes) else 1


def try_program(folder: Path, version: str, start_s: float) -> list[Outcome]:
    """The frozen folder where it lies, with a home of its own."""
    with tempfile.TemporaryDirectory(prefix="parley-home-") as home:
        machine = Machine(trial.alone(), folder.resolve() / "parley", Path(home), folder)
        return trial.run_all(machine, version, start_s)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="smoke_test.py", description="tries built packages")
    commands = parser.add_subparsers(dest="command", required=True, metavar="KIND")
    program = commands.add_parser("program", help="the frozen folder")
    program.add_argument("package", type=Path, metavar="FOLDER")
    program.add_argument("--start-s", type=float, default=3.0, help="longest start of the window")
    archive = commands.add_parser("archive", help="the .tar.zst")
    archive.add_argument("package", type=Path)
    package = commands.add_parser("deb", help="the .deb in a Debian root")
    package.add_argument("package", type=Path)
    package.add_argument("--root", type=Path, required=True, help="made by make_root.sh")
    package.add_argument("--older", type=Path, help="a .deb of an older version to upgrade from")
    parser.epilog = f"the .deb needs of Debian: {', '.join(deb.SCREEN_PACKAGES)}"
    return parser


if __name__ == "__main__":
    sys.exit(main())
