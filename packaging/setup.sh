#!/bin/sh
# Makes .venv ready for one purpose: `packaging/setup.sh run|test|train|package`.
# Names the missing system packages, or installs them where apt-get may be used; installs the Python
# packages once and leaves a stamp with the hash of pyproject.toml, so that a second run is instant.
set -eu
purpose=${1:-run}
cd "$(dirname "$0")/.."

screen="libegl1 libgl1 libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxcb-image0
    libxcb-render-util0 libxcb-xinerama0 libxcb-shape0 libxcb-xkb1 libdbus-1-3 libfontconfig1"
sound_server="pulseaudio pulseaudio-utils libasound2-plugins"
voices="espeak-ng flite festival festvox-kallpc16k festvox-kdlpc16k festvox-us-slt-hts"
package_tools="binutils zstd desktop-file-utils appstream nsis debootstrap"
case $purpose in
    run) extras=""; packages="libportaudio2 $screen" ;;
    test) extras="[dev,train,eval]"; packages="libportaudio2 $voices $screen $sound_server fonts-wqy-microhei" ;;
    train) extras="[train,eval]"; packages="libportaudio2 $voices" ;;
    package) extras="[package]"; packages="libportaudio2 $screen $package_tools" ;;
    *) echo "usage: packaging/setup.sh run|test|train|package" >&2; exit 2 ;;
esac

stamp=.venv/.ready-$purpose-$(cat pyproject.toml packaging/setup.sh | sha256sum | cut -c1-16)
[ -e "$stamp" ] && exit 0

installed() { dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q 'install ok installed'; }

provide() { # installs the named Debian packages as root, else says which are missing
    missing=""
    for package in "$@"; do installed "$package" || missing="$missing $package"; done
    [ -z "$missing" ] && return 0
    if [ "$(id -u)" = 0 ]; then
        echo "Installing system packages:$missing"
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
            --no-install-recommends $missing >/dev/null && return 0
    fi
    echo "Missing system packages:$missing" >&2
    echo "Install them with: sudo apt-get install$missing" >&2
    return 1
}

python=""
for candidate in ${PYTHON:-python3} python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "Python 3.11 or newer is needed: sudo apt-get install python3 python3-venv" >&2
    exit 1
fi

if command -v apt-get >/dev/null 2>&1; then
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        provide "$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')" || exit 1
    fi
    # Without these the program still runs; what needs them says so when it is used.
    provide $packages || true
fi

[ -x .venv/bin/python ] || "$python" -m venv .venv
echo "Installing Python packages into .venv (about 2 minutes the first time)"
.venv/bin/python -m pip install --quiet --disable-pip-version-check -e ".$extras"
.venv/bin/python -m pip install --quiet --disable-pip-version-check -e ".[hotkey]" 2>/dev/null ||
    echo "No global hotkey: pynput could not be built (it needs gcc and the kernel's headers)"
rm -f .venv/.ready-"$purpose"-*
touch "$stamp"
