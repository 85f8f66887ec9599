# Makes the virtual environment $ZSKD_VENV (.venv) with what requirements.txt and tests/requirements.txt name.
# $PYTHON chooses the interpreter. Without it the one that made the folder is kept. The first time, one is
# taken that has a TensorFlow, 3.7 before all others.
set -eu
venv=${ZSKD_VENV:-.venv}
stamp=$venv/.requirements  # marks the folder as ours, and holds what was wanted once all of it is there
works='Python 3.7 on x86-64 (TensorFlow 1.13), or 3.10 to 3.13 on Linux or Apple silicon (TensorFlow 2.21)'

fail() {
    echo "error: $1" >&2
    exit 1
}

# Prints the version of an interpreter; fails, and prints why, where it has no TensorFlow or makes no venv.
check_python() {
    # A python3.7 on PATH may be a pyenv shim that only prints an error.
    "$1" -c '
import platform, sys
version, machine = sys.version_info[:2], platform.machine().lower()
x86 = machine in ("x86_64", "amd64")
name = "Python %d.%d on %s" % (version + (machine,))
if version == (3, 7):
    works = x86
else:
    works = (3, 10) <= version <= (3, 13) and (
        machine == "arm64" if sys.platform == "darwin" else x86 or machine == "aarch64")
if not works or sys.maxsize < 2 ** 32:
    print("TensorFlow 1.13 and 2.21 are not made for %s" % name)
    sys.exit(1)
try:
    import ensurepip, venv
except ImportError:
    print("%s makes no virtual environment with pip (Debian: install python3-venv)" % name)
    sys.exit(1)
print(name)
' 2>/dev/null || { [ $? = 1 ] && return 1; echo "it does not run"; return 1; }
}

# Prints the first interpreter that works; fails, and prints what Debian's lacks, where none does.
find_python() {
    lacks=
    pyenv=${PYENV_ROOT:-${HOME:-}/.pyenv}/versions
    for candidate in python3.7 "$pyenv"/3.7*/bin/python "$(uv python find --system 3.7 2>/dev/null || true)" \
                     python3 python python3.13 python3.12 python3.11 python3.10 \
                     "$pyenv"/3.1[0-3].*/bin/python \
                     "$(uv python find --system '>=3.10,<3.14' 2>/dev/null || true)"; do
        if [ -z "$candidate" ]; then continue; fi
        if said=$(check_python "$candidate"); then echo "$candidate"; return; fi
        case $said in *python3-venv*) lacks=${lacks:-"$said; "} ;; esac
    done
    echo "$lacks"
    return 1
}

made_with=any
if [ -f "$stamp" ]; then read -r made_with < "$stamp" || made_with=any; fi
chosen=${PYTHON:-$made_with}

wanted() {
    echo "$chosen"
    cat requirements.txt requirements-cluster.txt tests/requirements.txt
}

# A system's new Python finds none of the packages that were for the old one.
if [ -x "$venv/bin/python" ] && wanted | cmp -s - "$stamp" \
        && "$venv/bin/python" -c 'import pip' 2>/dev/null; then
    exit 0
fi
if [ -e "$venv" ] && [ ! -f "$stamp" ] && [ -n "$(ls -A "$venv" 2>&1)" ]; then
    fail "$venv is not empty, and not made by this; choose another folder with ZSKD_VENV=..., or delete it"
fi
python=$chosen
if [ "$python" = any ]; then
    python=$(find_python) \
        || fail "${python}no Python found that works; install $works, or choose one with PYTHON=..."
fi
version=$(check_python "$python") ||
    fail "$python: ${version:-it does not run}; choose another with PYTHON=...; what works: $works"
echo "making $venv with $version (once)"
mkdir -p "$venv"
: > "$stamp"
find "$venv/" -mindepth 1 -maxdepth 1 ! -name .requirements -exec rm -rf {} +
"$python" -m venv "$venv" || fail "$python cannot make a virtual environment in $venv, see above"
unset PIP_TARGET PIP_PREFIX PIP_ROOT  # a user's, which would have the packages elsewhere
PIP_USER=0 "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    -r requirements.txt -r tests/requirements.txt \
    || fail 'not all packages could be installed, see above; give the same command again'
chosen=$python
wanted > "$stamp"
