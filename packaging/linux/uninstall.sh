#!/bin/sh
# Takes out of the user's menu and ~/.local/bin what install.sh of this folder put there. The folder
# itself can then be deleted. Settings, kept conversations and models stay, unless --purge is given.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd -P)
share=${XDG_DATA_HOME:-$HOME/.local/share}
link=$HOME/.local/bin/parley

if [ "$(readlink -- "$link" 2>/dev/null || true)" = "$here/parley" ]; then
    rm -f -- "$link" "$share/applications/parley.desktop" \
        "$share/icons/hicolor/scalable/apps/parley.svg"
    echo "Parley is out of the menu; the folder $here can be deleted."
else
    echo "Another version is in the menu; nothing was changed there."
fi
if [ "${1:-}" = --purge ]; then
    rm -rf -- "${XDG_CONFIG_HOME:-$HOME/.config}/parley" "$share/parley" \
        "${XDG_CACHE_HOME:-$HOME/.cache}/parley" "${XDG_STATE_HOME:-$HOME/.local/state}/parley"
    echo "Settings, conversations and models of this user are deleted."
fi
