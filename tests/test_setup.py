"""make setup: which interpreter it takes, and what happens to the folder.

Interpreters, venv and pip are stand-ins.
"""
import os
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

# An interpreter of some version, on some machine. Its venv holds a pip that notes what it is asked.
STAND_IN = """#!/bin/sh
if [ "$1 $2" = "-m venv" ]; then
    mkdir -p "$3/bin"
    echo "#!/bin/sh" > "$3/bin/python"
    echo 'echo "$PIP_USER $PIP_TARGET $@" > "${0%%/bin/python}/pip"; exit %(pip_status)d' >> "$3/bin/python"
    chmod +x "$3/bin/python"
else
    PYTHONPATH='%(folder)s' exec '%(python)s' "$@"
fi
"""
SITE = """
import ensurepip, platform, sys, venv  # before they look at what follows
sys.version_info = %r + tuple(sys.version_info)[2:]
sys.platform = %r
platform.machine = lambda: %r
if not %r:
    sys.modules['ensurepip'] = None
"""


class Checkout:
    """The files that make setup needs, and interpreters that only it finds."""

    def __init__(self, folder):
        self.folder, self.programs = folder / 'checkout', folder / 'programs'
        self.programs.mkdir()
        for name in ('Makefile', 'requirements.txt', 'requirements-cluster.txt', 'utils/setup.sh',
                     'tests/requirements.txt'):
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(os.path.join(ROOT, name), str(self.folder / name))
        for name in ('sh', 'make', 'cat', 'cmp', 'ls', 'mkdir', 'find', 'rm', 'chmod', 'grep'):
            os.symlink(shutil.which(name), str(self.programs / name))

    def interpreter(self, name, version, machine='x86_64', system='linux', ensurepip=True, pip_status=0):
        site = self.programs.parent / ('site of ' + name)
        site.mkdir()
        (site / 'sitecustomize.py').write_text(SITE % (version, system, machine, ensurepip))
        program = self.programs / name
        program.write_text(STAND_IN % dict(folder=site, python=sys.executable, pip_status=pip_status))
        program.chmod(0o755)

    def setup(self, *words, **environment):
        """A finished ``make setup``; environment: beside that with the interpreters and no more."""
        return subprocess.run(['make', 'setup', *words], cwd=str(self.folder), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, universal_newlines=True,
                              env=dict(environment, PATH=str(self.programs)))

    def pip(self, venv='.venv'):
        return (self.folder / venv / 'pip').read_text()


@pytest.fixture
def checkout(tmp_path):
    for name in ('make', 'cmp'):
        if not shutil.which(name):
            pytest.skip('takes ' + name)
    return Checkout(tmp_path)


def check_refused(done, *words):
    """One line that says why, before anything is made. make adds its own."""
    said = [line for line in done.stderr.split('\n') if line and not line.startswith('make: ')]
    assert done.returncode == 2 and len(said) == 1 and said[0].startswith('error: '), done.stderr
    assert all(word in said[0] for word in words), said


@pytest.mark.parametrize('interpreters, taken', [
    ({'python3': (3, 12), 'python3.7': (3, 7)}, 'Python 3.7 on x86_64'),
    ({'python3': (3, 14), 'python3.12': (3, 12)}, 'Python 3.12 on x86_64'),
    ({'python3': (3, 9), 'python3.8': (3, 8), 'python3.10': (3, 10)}, 'Python 3.10 on x86_64'),
    ({'python': (2, 7), 'python3': (3, 13)}, 'Python 3.13 on x86_64'),
], ids=str)
def test_an_interpreter_that_works_is_taken_before_one_that_does_not(interpreters, taken, checkout):
    for name, version in interpreters.items():
        checkout.interpreter(name, version)
    done = checkout.setup()
    assert (done.returncode, done.stderr) == (0, '')
    assert done.stdout == 'making .venv with %s (once)\n' % taken
    assert '-m pip install' in checkout.pip()
    again = checkout.setup()
    assert (again.returncode, again.stdout) == (0, '')


@pytest.mark.parametrize('version, machine, system, works', [
    ((3, 8), 'x86_64', 'linux', False), ((3, 7), 'aarch64', 'linux', False),
    ((3, 12), 'x86_64', 'darwin', False), ((3, 7), 'x86_64', 'darwin', True),
    ((3, 13), 'aarch64', 'linux', True), ((3, 11), 'arm64', 'darwin', True)])
def test_only_an_interpreter_with_a_tensorflow_is_taken(version, machine, system, works, checkout):
    checkout.interpreter('python3', version, machine, system)
    name = 'Python %d.%d on %s' % (version + (machine,))
    done = checkout.setup(PYTHON='python3')
    if works:
        assert done.returncode == 0 and name in done.stdout
    else:
        check_refused(done, '1.13 and 2.21 are not made for ' + name, '3.7', '3.10 to 3.13', 'PYTHON=')
        assert not (checkout.folder / '.venv').exists()


def test_where_no_interpreter_works_it_says_which_do(checkout):
    checkout.interpreter('python3', (3, 8))
    check_refused(checkout.setup(PYTHON='/none/python'), '/none/python: it does not run')
    check_refused(checkout.setup(), 'no Python found that works', '3.7', '3.10 to 3.13', 'PYTHON=')
    assert not (checkout.folder / '.venv').exists()


def test_an_interpreter_without_ensurepip(checkout):
    """As Debian's without python3-venv: another is taken, or it says what to install."""
    checkout.interpreter('python3', (3, 12), ensurepip=False)
    check_refused(checkout.setup(PYTHON='python3'), 'python3-venv')
    check_refused(checkout.setup(), 'python3-venv', 'no Python found that works')
    assert not (checkout.folder / '.venv').exists()
    checkout.interpreter('python3.11', (3, 11))
    assert 'Python 3.11' in checkout.setup().stdout


def test_the_packages_go_into_the_folder_whatever_the_environment(checkout):
    checkout.interpreter('python3.7', (3, 7))
    (checkout.folder / 'base').mkdir()  # VENV is another program's variable
    done = checkout.setup(HOME='', PIP_USER='1', PIP_TARGET='/none', VENV='base')
    assert (done.returncode, done.stderr) == (0, '')
    assert checkout.pip().split()[:4] == ['0', '-m', 'pip', 'install']
    assert not list((checkout.folder / 'base').iterdir())


def test_the_folder_keeps_its_interpreter_until_another_is_chosen(checkout):
    checkout.interpreter('python3.7', (3, 7))
    checkout.interpreter('python3.12', (3, 12))
    assert 'Python 3.12' in checkout.setup(PYTHON='python3.12').stdout
    assert checkout.setup().stdout == ''
    (checkout.folder / 'requirements.txt').write_text('numpy')
    assert 'Python 3.12' in checkout.setup().stdout
    assert 'Python 3.7' in checkout.setup(PYTHON='python3.7').stdout


def test_a_folder_whose_interpreter_became_another_is_made_again(checkout):
    """As after an upgrade of the system: the link in the folder is to the new one, which has no packages."""
    checkout.interpreter('python3', (3, 12))
    checkout.setup()
    assert checkout.setup().stdout == ''
    (checkout.folder / '.venv' / 'bin' / 'python').write_text('#!/bin/sh\nexit 1\n')
    assert 'making .venv' in checkout.setup().stdout


def test_a_folder_of_something_else_is_left_alone(checkout, tmp_path):
    checkout.interpreter('python3.7', (3, 7))
    (tmp_path / 'base env').mkdir()
    (tmp_path / 'base env' / 'mine').write_text('precious')
    check_refused(checkout.setup('ZSKD_VENV=%s' % (tmp_path / 'base env')),
                  str(tmp_path / 'base env'), 'is not empty', 'ZSKD_VENV=')
    assert os.listdir(str(tmp_path / 'base env')) == ['mine']


def test_an_empty_folder_is_filled_and_an_unfinished_one_is_made_again(checkout, tmp_path):
    checkout.interpreter('python3.7', (3, 7), pip_status=1)
    venv = tmp_path / 'my venv'
    venv.mkdir()
    check_refused(checkout.setup(ZSKD_VENV=str(venv)), 'not all packages could be installed')
    (venv / 'half made').write_text('')
    checkout.interpreter('python3.12', (3, 12))
    done = checkout.setup(ZSKD_VENV=str(venv), PYTHON='python3.12')
    assert (done.returncode, done.stderr) == (0, '') and not (venv / 'half made').exists()
    assert '-m pip install' in checkout.pip(str(venv))
