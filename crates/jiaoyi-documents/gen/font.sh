#!/bin/sh
# Makes crates/jiaoyi-documents/font/*.otf again. Needs Python 3 and Noto Sans CJK (Debian package
# fonts-noto-cjk, or the folder that holds both .ttc files as first argument).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
venv="$here/../../../target/gen-font"
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
exec "$venv/bin/python" "$here/font.py" "${1:-/usr/share/fonts/opentype/noto}"
