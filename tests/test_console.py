"""What every script does on the console.

It is stopped at any moment, with any stream, in any environment of the user.
"""
import os
import re
import signal
import subprocess
import sys

import pytest
from conftest import ROOT, Terminal, command, run_script, wait_until

# A table that goes on where an earlier one was stopped: its first job was done before.
PROGRESS = """
from utils import console
def main():
    with console.TableProgress(10.0, 2) as progress:
        progress.ended('first', 4.0, ran=False)
        progress.note('a note')
        progress.ended('second', 6.0, ran=True)
    with console.Progress(2, 'steps') as progress:
        progress.update(2)
        progress.show(loss=0.5)
    open(%r, 'w').close()
console.run(main)
"""
# A script that has begun: it says so, and goes on until it is stopped.
ENDLESS = """
import sys, time
from utils import console
def main():
    try:
        print('begun')
        while True:
            time.sleep(0.01)
    except BaseException:
        print('cleaned up', file=%s)
        raise
console.run(main)
"""


def python(code, **options):
    """A finished process that has run the code, in the repository."""
    return run_script(['-c', code], **options)


def test_no_variable_of_the_user_changes_the_progress():
    code = PROGRESS % os.devnull
    variables = dict(TQDM_DISABLE='1', TQDM_INITIAL='5', TQDM_GUI='1')
    plain, changed = python(code), python(code, env=dict(os.environ, **variables))
    assert plain.returncode == changed.returncode == 0, plain.stderr + changed.stderr
    assert plain.stdout == changed.stdout and len(plain.stdout.split('\n')) == 5
    assert plain.stdout.startswith('table: 1 of 2 jobs  40 %, first, ')
    assert 'steps 100 %, loss 0.5, ' in plain.stdout


def test_progress_bar_on_a_terminal():
    terminal = Terminal(['-c', 'from utils import console\n'
                         'with console.Progress(30, "DI-0.1") as progress:\n'
                         '    progress.update(10)\n    progress.show(loss=0.25)\n    progress.update(20)'])
    shown = terminal.read()
    assert terminal.process.wait() == 0
    assert shown.count('\r') >= 2 and re.search(r'DI-0.1 100 %\|.*\| 00:00 left, loss 0.25', shown)


# Streams.

@pytest.mark.parametrize('closed', [[1], [2], [0, 1, 2]], ids=str)
def test_a_stream_that_is_closed_takes_what_is_printed(closed, tmp_path):
    """Nor does a file that is opened later get it."""
    path = tmp_path / 'opened later'

    def close():
        for number in closed:
            os.close(number)

    done = python(PROGRESS % str(path), preexec_fn=close)
    assert done.returncode == 0 and 'Traceback' not in done.stderr, done.stderr
    assert path.read_text() == ''


def test_anything_can_be_printed_where_ascii_alone_is_known():
    done = python('from utils import console\nconsole.run(lambda: print("caf\\udce9 \\xb1 0.1"))', env=dict(
        os.environ, LC_ALL='POSIX', PYTHONCOERCECLOCALE='0', PYTHONUTF8='0'))
    assert (done.stdout, done.stderr) == ('caf\\udce9 \\xb1 0.1\n', '')


def test_a_full_disk_under_the_output_is_one_line():
    with open('/dev/full', 'w') as full:
        done = python('from utils import console\nconsole.run(lambda: print("hello"))', stdout=full)
    assert done.returncode == 1 and done.stderr == 'error: No space left on device\n'


def test_what_is_printed_is_in_the_pipe_at_once_and_its_end_is_one_line():
    code = ENDLESS.replace('time.sleep(0.01)', 'sys.stdin.readline(); print("more")') % 'sys.stderr'
    child = subprocess.Popen([sys.executable, '-c', code], cwd=ROOT, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    assert child.stdout.readline() == 'begun\n'
    child.stdout.close()
    child.stdin.close()
    errors = child.stderr.read()
    assert child.wait() == 1
    cleaned_up, error, nothing = errors.split('\n')
    assert (cleaned_up, nothing) == ('cleaned up', '')
    assert error == 'error: the program that read the output has ended; give the same command again'


# Ctrl-C.

@pytest.mark.parametrize('errors', ['', '2>&1'], ids=['stdout', 'both'])
@pytest.mark.parametrize('reported_to', ['sys.stdout', 'sys.stderr'])
def test_ctrl_c_that_ends_tee_as_well(errors, reported_to, tmp_path):
    """A terminal sends it to both; what was printed is kept."""
    script, status, log = tmp_path / 'script.py', tmp_path / 'status', tmp_path / 'log'
    script.write_text('import sys; sys.path.insert(0, %r)\n' % ROOT + ENDLESS % reported_to)
    # The trap lets the shell go on after Ctrl-C and write the status.
    shell = subprocess.Popen(['sh', '-c', '{ trap : INT; "$0" "$1" %s; echo $? > "$2"; } | tee "$3"' % errors,
                              sys.executable, str(script), str(status), str(log)],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
                             universal_newlines=True)
    wait_until(lambda: log.exists() and log.read_text() == 'begun\n')
    os.killpg(shell.pid, signal.SIGINT)
    output, said = shell.communicate(timeout=60)
    assert status.read_text() == '130\n' and log.read_text().startswith('begun\n')
    assert 'Traceback' not in output + said
    if not errors:
        assert said.endswith('interrupted\n')


STOPPED = {'a pipe breaks meanwhile': """
def main():
    try:
        os.kill(os.getpid(), signal.%s)
    finally:
        raise BrokenPipeError
""", 'what is half made complains': """
class main:
    def __init__(self):
        os.kill(os.getpid(), signal.%s)
        self.status = 0
    def __del__(self):
        self.status
"""}


@pytest.mark.parametrize('how, status, said', [('SIGINT', 130, 'interrupted\n'), ('SIGTERM', 143, '')])
@pytest.mark.parametrize('script', STOPPED)
def test_a_stopped_script_ends_as_it_should_though(script, how, status, said):
    done = python('import os, signal\nfrom utils import console\n' + STOPPED[script] % how
                  + 'console.run(main)')
    assert (done.returncode, done.stderr) == (status, said)


IMPORTING = """
import os, signal, sys
sys.path.insert(0, %r)
class Import:
    def find_spec(self, name, path, target=None):
        if name == 'tensorflow':
            os.kill(os.getpid(), signal.SIGINT)
            raise ImportError('taken for an error of the library')
sys.meta_path.insert(0, Import())
sys.argv = [%r]
import runpy
runpy.run_path(%r, run_name='__main__')
"""


@pytest.mark.parametrize('script', ['train_w_distill', 'Data_Impressions', 'autotrain', 'visualization',
                                    'convert'])
def test_ctrl_c_while_a_script_imports_is_one_line(script):
    path = os.path.join(ROOT, script + '.py')
    done = python(IMPORTING % (ROOT, path, path))
    assert (done.returncode, done.stdout, done.stderr) == (130, '', 'interrupted\n')


def test_what_ignores_ctrl_c_goes_on_ignoring_it():
    """As what a shell runs in the background."""
    child = subprocess.Popen(command(['visualization.py', '--help']), stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE,
                             preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    wait_until(lambda: ignores_ctrl_c(child))
    while child.poll() is None:
        child.send_signal(signal.SIGINT)
        try:
            child.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
    output, errors = child.communicate()
    assert child.returncode == 0 and output.startswith(b'usage: ') and b'interrupted' not in errors


def ignores_ctrl_c(process):
    with open('/proc/%d/status' % process.pid) as file:
        ignored = next(line for line in file if line.startswith('SigIgn:'))
    return bool(int(ignored.split()[1], 16) & 1 << signal.SIGINT - 1)


@pytest.mark.parametrize('error', ["RunError('it is so')", "OSError(28, 'it is so', 'x')",
                                   "console.subprocess.CalledProcessError(1, ['it', 'is so'])"])
def test_debug_shows_where_an_error_came_from(error):
    code = ('from utils import console\nfrom utils.files import RunError\ndef main():\n    raise %s\n'
            'console.run(main)' % error)
    plain, debugged = [python(code, env=dict(os.environ, **more)) for more in ({}, {'ZSKD_DEBUG': '1'})]
    assert plain.returncode == debugged.returncode == 1
    assert plain.stderr.count('\n') == 1 and 'it is so' in plain.stderr
    assert debugged.stderr.endswith(plain.stderr) and 'Traceback' in debugged.stderr
    assert 'in main' in debugged.stderr
