#!/bin/sh
# Makes a minimal Debian in a new folder, with what the package depends on and without Python, for
# `smoke_test.py deb`: make_root.sh FOLDER [MIRROR] [SUITE]. Needs root, debootstrap and a network.
set -eu
[ $# -ge 1 ] || { echo "usage: make_root.sh FOLDER [MIRROR] [SUITE]" >&2; exit 2; }
folder=$1 mirror=${2:-http://deb.debian.org/debian} suite=${3:-bookworm}
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd -P)
packages=$(PYTHONPATH="$here/.." python3 -c '
from installers import deb
print(",".join(deb.DEPENDS))')
exec debootstrap --variant=minbase --include="$packages" "$suite" "$folder" "$mirror"
