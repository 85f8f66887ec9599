# Makes the virtual environment $VENV (.venv) with what requirements.txt and tests/requirements.txt ask for.
# $PYTHON chooses the interpreter; without it, any Python 3.7 is taken, or else python3 with TensorFlow 2.
set -eu
venv=${VENV:-.venv}
stamp=$venv/.requirements

is_37() {
    # A python3.7 on PATH may be a pyenv shim that only prints an error.
    "$1" -c 'import sys, venv; sys.exit(sys.version_info[:2] != (3, 7))' >/dev/null 2>&1
}

find_python() {
    for candidate in python3.7 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.7*/bin/python \
                     "$(uv python find 3.7 2>/dev/null || true)"; do
        if [ -n "$candidate" ] && is_37 "$candidate"; then echo "$candidate"; return; fi
    done
    command -v python3 || command -v python || { echo 'error: no Python found; install Python 3.7' >&2; exit 1; }
}

wanted() {
    echo "${PYTHON:-any}"
    cat requirements.txt requirements-cluster.txt tests/requirements.txt
}

if [ -x "$venv/bin/python" ] && wanted | cmp -s - "$stamp"; then exit 0; fi
python=${PYTHON:-$(find_python)}
version=$("$python" --version 2>&1) || { echo "error: PYTHON=$python does not run" >&2; exit 1; }
is_37 "$python" || echo "no Python 3.7 chosen or found: going on with $version and TensorFlow 2"
echo "making $venv with $version (once)"
"$python" -m venv --clear "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r requirements.txt -r tests/requirements.txt
wanted > "$stamp"
