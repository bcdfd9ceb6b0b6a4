#!/bin/sh
# The tools this project cannot bring itself: says in one line each what is missing and how to get it.
# `tools.sh python` writes the command of a Python that is new enough.
set -u

want_python="3.11"
want_rust=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)

python=
for name in "${PYTHON:-python3}" python3.14 python3.13 python3.12 python3.11; do
    if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$name
        break
    fi
done
if [ "${1:-}" = python ]; then
    echo "$python"
    exit 0
fi

missing=0
need() {
    echo "missing: $1" >&2
    missing=1
}

if [ -z "$python" ]; then
    need "Python >= $want_python.  Get it with your system's packages (Debian: apt install python3 python3-venv) or from https://www.python.org/downloads/"
elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    need "Python's venv module.  Debian: apt install python3-venv"
fi

# ring has C and assembly in it.
command -v "${CC:-cc}" >/dev/null || need "a C compiler (cc).  Debian: apt install gcc libc6-dev"

if ! rust=$(cargo --version 2>/dev/null); then
    need "cargo (Rust >= $want_rust).  Get it from https://rustup.rs"
elif ! printf '%s\n' "$want_rust" "$(echo "$rust" | cut -d ' ' -f 2)" | sort -C -V; then
    need "Rust >= $want_rust; this is $rust.  Update with: rustup update   (or get it from https://rustup.rs)"
fi

exit $missing
