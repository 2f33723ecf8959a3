#!/bin/sh
# Builds the Linux packages twice, compares the file lists, and tries the frozen program, the archive
# and, as root where debootstrap is installed, the .deb. For continuous integration and packagers;
# DEBIAN_ROOT names a root made before, DEBIAN_MIRROR a mirror to make one from.
set -eu
cd "$(dirname "$0")/.."
python=.venv/bin/python

$python -m pytest -q tests/packaging
$python packaging/build.py freeze
cp dist/files.txt build/package/files-first.txt
$python packaging/build.py
$python packaging/build.py compare build/package/files-first.txt dist/files.txt

$python packaging/smoke_test.py program build/package/program/parley
$python packaging/smoke_test.py archive dist/parley-*-linux-*.tar.zst

if [ "$(id -u)" != 0 ]; then
    echo "The .deb was not tried: that needs root"
    exit 0
fi
root=${DEBIAN_ROOT:-build/package/debian-root}
if [ ! -d "$root" ]; then
    packaging/linux/make_root.sh "$root" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"}
fi
$python packaging/smoke_test.py deb dist/parley_*.deb --root "$root"
