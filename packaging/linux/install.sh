#!/bin/sh
# Enters this folder's program into the menu of the user who runs it, and as `parley` into
# ~/.local/bin. Nothing is copied: the folder stays where it is, and several versions may lie side
# by side; the one that was entered last is the one in the menu.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd -P)
share=${XDG_DATA_HOME:-$HOME/.local/share}
bin=$HOME/.local/bin
icons=$share/icons/hicolor/scalable/apps

# As the desktop entry's syntax wants it: what is escaped in an argument, then in the line itself.
quoted=$(printf '%s' "$here/parley" | sed -e 's/[\\"`$]/\\&/g' -e 's/\\/\\\\/g' -e 's/%/%%/g')
# As the replacement of a sed command wants it.
line=$(printf '"%s"' "$quoted" | sed 's/[\\&|]/\\&/g')
plain=$(printf '%s' "$here/parley" | sed 's/[\\&|]/\\&/g')

mkdir -p "$share/applications" "$icons" "$bin"
cp -- "$here/parley.svg" "$icons/parley.svg"
sed -e "s|^Exec=parley |Exec=$line |" -e "s|^TryExec=parley\$|TryExec=$plain|" \
    "$here/parley.desktop" >"$share/applications/parley.desktop.new"
mv -- "$share/applications/parley.desktop.new" "$share/applications/parley.desktop"
ln -sfn -- "$here/parley" "$bin/parley"
command -v update-desktop-database >/dev/null 2>&1 &&
    update-desktop-database -q "$share/applications" || true
echo "Parley is in the menu; $here/uninstall.sh takes it out again."
