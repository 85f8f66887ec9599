"""Kills a small table again and again, and compares the result with an undisturbed one, byte by byte.

    python tools/kill_table.py --kills 200

Each round starts autotrain.py on one folder. At a random moment it kills the table, or one of its jobs first,
by SIGKILL, SIGTERM or SIGINT. A finished table is compared and deleted. Prints a line per table, then the
counts. Compared are the bytes of weights, impressions and results.md, and all of the records but their
seconds. Exits with status 1 if anything differs. A kill takes about eight seconds.
"""
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from utils.console import run
from utils.files import REPOSITORY, RunError, load_json, sha256
from utils.settings.parser import Parser, number
from utils.table.check import INPUTS

TABLE = ['--runs=1', '--rates', '1', '--budget=0.01', '--jobs=2']
SIGNALS = [signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT]


def main(argv=None):
    parser = Parser(prog='kill_table.py', description=__doc__)
    parser.add_argument('--kills', type=number(int, 1), default=200, help='how often')
    parser.add_argument('--seed', type=number(int, 0), default=0,
                        help='of the moments, the signals and the victims')
    args = parser.parse_args(argv)
    rng = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as scratch:
        undisturbed, root = os.path.join(scratch, 'undisturbed'), os.path.join(scratch, 'MNIST')
        started = time.time()
        if start(undisturbed).wait():
            raise RunError('the undisturbed table failed; see %r' % undisturbed)
        expected, longest = content_of(undisturbed), (time.time() - started) / 2
        kills = tables = kills_of_table = 0
        differences = []
        while kills < args.kills or kills_of_table:
            ended = disturb(root, rng, longest) if kills < args.kills else start(root).wait()
            kills += ended is None
            kills_of_table += ended is None
            if ended == 0:
                found = content_of(root)
                wrong = sorted(name for name in {*expected, *found} if expected.get(name) != found.get(name))
                tables, differences = tables + 1, differences + wrong
                outcome = 'differs in ' + ', '.join(wrong) if wrong else 'the same'
                print('table %d after %d kills (%d in all): %s' % (tables, kills_of_table, kills, outcome),
                      flush=True)
                shutil.rmtree(root)
                kills_of_table = 0
            elif ended is not None and ended > 0:
                raise RunError('autotrain.py ended by itself with status %d' % ended)
    print('%d kills, %d tables, %d differences' % (kills, tables, len(differences)))
    return 1 if differences else 0


def start(root):
    command = [sys.executable, os.path.join(REPOSITORY, 'autotrain.py'), '--root', root] + TABLE
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                            start_new_session=True)


def disturb(root, rng, longest):
    """Starts the table, and kills it after ``longest`` seconds at most; perhaps one of its jobs first.

    Its exit status if it got done by itself, else None.
    """
    table = start(root)
    try:
        return table.wait(rng.uniform(0, longest))
    except subprocess.TimeoutExpired:
        pass
    jobs = jobs_of(table.pid)
    sent = rng.choice(SIGNALS)
    if jobs and rng.random() < 0.3:
        os.kill(rng.choice(jobs), signal.SIGKILL)
        time.sleep(rng.uniform(0, 2))
    if table.poll() is None:
        os.kill(table.pid, sent)
    table.wait()
    return None


def jobs_of(pid):
    """The process numbers of the children of a process, on Linux."""
    path = '/proc/%d/task' % pid
    try:
        return [int(child) for task in os.listdir(path)
                for child in open(os.path.join(path, task, 'children')).read().split()]
    except OSError:
        return []


def content_of(root):
    """{file: what must be the same} of a finished table."""
    content = {}
    for folder, _, names in os.walk(root):
        for path in (os.path.join(folder, name) for name in names):
            if path.endswith(('.mat', 'results.md')):
                content[os.path.relpath(path, root)] = sha256(path)
            elif path.endswith('.json') and os.path.basename(path) != INPUTS:
                record = load_json(path)
                arguments = {key: value for key, value in record['arguments'].items()
                             if root not in str(value)}
                content[os.path.relpath(path, root)] = dict(record, seconds=None, arguments=arguments)
            elif re.search(r'\.tmp$|checkpoint', path):
                content[os.path.relpath(path, root)] = 'a leftover'
    return content


if __name__ == '__main__':
    run(main)
