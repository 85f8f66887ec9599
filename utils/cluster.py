"""Jobs on the workers of a Dask cluster: the counterpart of LocalPool in utils/jobs.py, and all that knows of Dask.

A worker runs a job for each of its threads, as child processes of its own, with its own interpreter and its own checkout of
this code; --root is a folder that all machines see under the same path. What goes wrong, and what then happens:

- A worker is killed: its children die with it, Dask gives its jobs to other workers.
- A worker loses contact and works on: its job runs twice, which does no harm as files become whole and equal at once.
- autotrain.py is killed: it no longer touches its lease, a file in --root, and LEASE seconds later every worker ends what it
  runs for it; at once if autotrain.py could still remove the lease or another one is started on the same --root.
- The scheduler is killed: so ends autotrain.py, and with it its lease.
"""
import functools
import hashlib
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from glob import glob
from typing import NamedTuple, Tuple

from distributed import Client, Reschedule

from utils.files import RunError
from utils.jobs import GRACE, POLL, spawn, stop
from utils.layout import REPOSITORY

if sys.version_info >= (3, 8):
    from importlib import metadata
else:
    import importlib_metadata as metadata

BEAT = 5  # seconds between two signs of life
LEASE = 30  # seconds without one after which a worker ends its children
CONNECT = 10  # seconds in which a scheduler has to answer
LOST_WORKERS = 100  # times that a job is given to another worker because its own was lost
CODE = ['train_w_distill.py', 'Data_Impressions.py', 'nets/*.py', 'utils/*.py']
START = 'start it in a checkout of this code, with python -m distributed.cli.dask_%s'


class Table(NamedTuple):
    """What a worker must know of the table it works for."""
    folder: str             # where autotrain.py was started: relative paths begin here
    files: Tuple[str, ...]  # what each worker must see, relative to it; the first one is the lease
    software: Tuple[Tuple[str, str], ...]


class ClusterPool:
    """Runs commands on all workers that the scheduler has or gets, as many at a time as they have threads."""

    def __init__(self, scheduler, root, data, variables):
        """scheduler: its address or its file; root: the table's folder; data: the data set's file;
        variables: {environment variable: value} for the commands, beside those of a worker."""
        self._scheduler, self._root, self._data, self._variables = scheduler, root, data, variables
        self._known = set()

    def __enter__(self):
        with ExitStack() as stack:
            # A lease is called like a dead writer's leftover, so that the next autotrain.py removes it before it starts.
            lease = stack.enter_context(tempfile.NamedTemporaryFile(dir=self._root, prefix='.lease-', suffix='.tmp')).name
            stack.enter_context(repeat(lambda: os.utime(lease)))
            self._table = Table(os.getcwd(), (lease, self._data), software())
            self._client = stack.enter_context(connected(self._scheduler))
            found = sum(self._admit(self._refuse).values())
            print('%s: %d workers, %d jobs at a time' % (self._scheduler, len(self._known), found), flush=True)
            stack.enter_context(repeat(lambda: self._admit(self._send_away)))
            self._executor = self._client.get_executor(pure=False)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind, *_):
        lost = self._client.status != 'running'
        self._stack.close()
        if lost and kind and issubclass(kind, Exception):
            raise RunError('lost the scheduler %s; start it and its workers, and give the same command again' % self._scheduler)

    def submit(self, command, log):
        """A Future of the exit status of ``command``, whose output is added to the file ``log`` as it comes."""
        return self._executor.submit(call, self._table, command, log, self._variables)

    def _admit(self, unfit):
        """Looks at the workers that are new; calls ``unfit(address, reason)``. Returns {address: threads} of all."""
        threads = self._client.nthreads()
        new = sorted(set(threads) - self._known)
        answers = self._client.run(flaw, self._table, workers=new, on_error='return') if new else {}
        for worker, reason in answers.items():
            if isinstance(reason, OSError):  # gone already
                continue
            self._known.add(worker)
            if isinstance(reason, Exception):
                reason = 'has other code (%s); ' % reason + START % 'worker'
            if reason:
                unfit(worker, reason)
        return threads

    def _refuse(self, worker, reason):
        raise RunError('worker %s %s' % (worker, reason))

    def _send_away(self, worker, reason):
        print('\nworker %s %s; sent away' % (worker, reason), file=sys.stderr)
        self._client.retire_workers(workers=[worker], close_workers=True)


@contextmanager
def connected(scheduler):
    """A Client of the scheduler, which is made patient with jobs whose workers are lost."""
    logging.disable(logging.CRITICAL)  # the user is told in one line
    place = {'scheduler_file': scheduler} if os.path.isfile(scheduler) else {'address': scheduler}
    try:
        client = Client(timeout=CONNECT, set_as_default=False, **place)
    except Exception as error:  # of many kinds
        raise RunError('no Dask scheduler answers at %r: %s' % (scheduler, error)) from error
    with client:
        try:
            client.run_on_scheduler(make_patient)
        except (ImportError, AttributeError) as error:
            raise RunError('the scheduler has other code (%s); ' % error + START % 'scheduler') from error
        yield client


def make_patient(dask_scheduler):
    dask_scheduler.allowed_failures = LOST_WORKERS


def call(table, command, log, variables):
    """On a worker: the exit status of a command, which lives no longer than the table's lease."""
    if flaw(table):  # it will be sent away
        time.sleep(BEAT)
        raise Reschedule
    child = spawn(command, log, variables, table.folder)
    seen, since = None, time.monotonic()
    while True:
        with suppress(subprocess.TimeoutExpired):
            status = child.wait(timeout=POLL)
            if status < 0 or status == 143:
                time.sleep(GRACE)  # a machine that goes down may kill its jobs before its workers
            return status
        sign = last_sign(table.files[0])
        if sign != seen:
            seen, since = sign, time.monotonic()
        if sign is None or time.monotonic() > since + LEASE:
            stop([child])
            raise Reschedule  # means something only if autotrain.py was asleep


def last_sign(lease):
    """When the lease was touched, by the clock of whoever keeps the folder; None if it is gone."""
    try:
        with open(lease) as file:  # opened, as NFS asks its server for news then
            return os.fstat(file.fileno()).st_mtime_ns
    except FileNotFoundError:
        return None
    except OSError:
        return 0


@functools.lru_cache(maxsize=None)
def flaw(table):
    """On a worker: why it cannot work for the table, in a few words; '' if it can."""
    for path in table.files:
        if not os.path.exists(os.path.join(table.folder, path)):
            return 'does not see %r; it must be the same folder on all machines' % path
    for (name, own), (_, wanted) in zip(software(), table.software):
        if own != wanted:
            return 'has %s %s, not %s' % (name, own, wanted)
    return ''


@functools.lru_cache(maxsize=1)
def software():
    """What results depend on beside flags: ((name, version), ...)."""
    digest = hashlib.sha256()
    for path in sorted(path for pattern in CODE for path in glob(os.path.join(REPOSITORY, pattern))):
        with open(path, 'rb') as file:
            digest.update(os.path.relpath(path, REPOSITORY).encode() + b'\0' + file.read())
    return (('Python', '%d.%d' % sys.version_info[:2]), ('TensorFlow', metadata.version('tensorflow')),
            ('code', digest.hexdigest()[:12]))


@contextmanager
def repeat(action):
    """Calls ``action`` every BEAT seconds, in a thread of its own."""
    ended = threading.Event()

    def loop():
        while not ended.wait(BEAT):
            with suppress(Exception):  # the folder or the scheduler does not answer: the next time, then
                action()

    threading.Thread(target=loop, daemon=True).start()
    try:
        yield
    finally:
        ended.set()
