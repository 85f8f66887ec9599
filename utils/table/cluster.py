"""Jobs on the workers of a Dask cluster, by the interface of LocalPool in jobs.py. All of Dask is here.

A worker runs as many jobs at a time as it has threads, each as a child process, with its own interpreter and
its own checkout of this code; --root is one folder under one path on all machines. What can go wrong, and
what happens then:

- A worker is killed: its children die with it (on Linux), and Dask gives its jobs to other workers.
- A worker loses contact and continues: a job runs twice, which does no harm, as files become whole and equal
  at once.
- autotrain.py is killed: its lease, a file in --root, is touched no more. LEASE seconds later each worker
  ends the table's jobs; at once if the lease is gone, because autotrain.py cleaned up or was started again.
- The scheduler is killed: autotrain.py says so and ends, and its lease with it.
"""
import logging
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager, suppress

from distributed import Client, Reschedule

from utils.files import RunError, temporary_name
from utils.records.records import differences, software
from utils.table.jobs import POLL
from utils.table.processes import GRACE, spawn, stop

BEAT = 5  # seconds between two signs of life, and between two looks for new workers
LEASE = 30  # seconds without a sign of life after which a worker ends its children
CONNECT = 10  # seconds in which a scheduler must answer
NO_CHECKOUT = 'was not started in a checkout of this code: '
LOST_WORKERS = 100  # so many workers may be lost under a job before it is taken to be the reason


class ClusterPool:
    """Runs commands on all workers that a scheduler has or gets."""

    delay = 70  # a folder may be shown as it was a minute ago (NFS: acdirmax)

    def __init__(self, scheduler, root, files, nets, variables):
        """A cluster that ``with`` connects to.

        scheduler: its address or its file; root: the table's folder; files: paths that all jobs read; nets:
        the name or file of the pair; variables: {environment variable: value} for the commands, beside those
        of a worker.
        """
        self._scheduler, self._root, self._files, self._variables = scheduler, root, files, variables
        self._nets = nets
        self._looked_at, self.slots = set(), 0

    def __enter__(self):
        logging.disable(logging.CRITICAL)  # Dask's; the user gets one line
        with ExitStack() as stack:
            lease = stack.enter_context(lease_in(self._root))
            # What a worker must know; relative paths begin at ``folder``.
            self._table = dict(folder=os.getcwd(), lease=os.path.abspath(lease), files=self._files,
                               nets=self._nets, software=software(self._nets))
            place = 'scheduler_file' if os.path.isfile(self._scheduler) else 'address'
            try:
                self._client = stack.enter_context(Client(timeout=CONNECT, **{place: self._scheduler}))
                self._client.run_on_scheduler(
                    lambda dask_scheduler: setattr(dask_scheduler, 'allowed_failures', LOST_WORKERS))
            except Exception as error:  # of many kinds
                raise RunError('no Dask scheduler answers at %r: %s' % (self._scheduler, error)) from error
            for worker, reason in self._unfit_workers():
                raise RunError('worker %s %s' % (worker, reason))
            print('workers: %d, jobs at a time: %d' % (len(self._looked_at), self.slots), flush=True)
            stack.callback(call_repeatedly(self._send_unfit_away))
            self._call, self._executor = checked_call(), self._client.get_executor(pure=False)
            self._close = stack.pop_all().close
        return self

    def __exit__(self, kind, *_):
        # A client that has connected again has cancelled its jobs before.
        lost = self._client.status != 'running' or (kind and issubclass(kind, CancelledError))
        self._close()
        if lost and kind and issubclass(kind, Exception):
            raise RunError('lost the scheduler %s; start it and its workers, and give the same command again'
                           % self._scheduler)

    def submit(self, command, log):
        """A Future of the exit status of ``command``; its output is added to the file ``log`` as it comes."""
        return self._executor.submit(self._call, self._table, command, log, self._variables)

    def _unfit_workers(self):
        """[(address, reason)] of those among the new workers that cannot work for this table."""
        threads = self._client.nthreads()
        self.slots, new = sum(threads.values()), set(threads) - self._looked_at
        if not new:
            return []
        answers = self._client.run(reason_unfit, self._table, workers=list(new), on_error='return')
        # An OSError: that one is gone again.
        answers = {worker: answer for worker, answer in answers.items() if not isinstance(answer, OSError)}
        self._looked_at |= set(answers)
        return [(worker, '%s%s' % ('' if isinstance(answer, str) else NO_CHECKOUT, answer))
                for worker, answer in answers.items() if answer]

    def _send_unfit_away(self):
        for worker, reason in self._unfit_workers():
            print('\nsent away: worker %s %s' % (worker, reason), file=sys.stderr)
            self._client.retire_workers(workers=[worker], close_workers=True)


def checked_call():
    """``call``, but a late worker that does not fit gives the job back; it is retired soon.

    A function within a function: Dask sends that whole, not by its name, which such a worker may not know.
    """
    def call_if_fit(table, *arguments):
        try:
            from utils.table import cluster
            fits = not cluster.reason_unfit(table)
        except (ImportError, AttributeError):
            fits = False
        if not fits:
            time.sleep(BEAT)
            raise Reschedule
        return cluster.call(table, *arguments)
    return call_if_fit


def call(table, command, log, variables):
    """On a worker: the exit status of a command, which lives no longer than the table's lease."""
    # Where there is no such folder, no path begins there: reason_unfit has looked.
    folder = table['folder'] if os.path.isdir(table['folder']) else '.'
    child = spawn(command, log, variables, folder)
    seen, since = None, time.monotonic()
    while True:
        with suppress(subprocess.TimeoutExpired):
            status = child.wait(timeout=POLL)
            if status < 0 or status == 143:
                time.sleep(GRACE)  # a machine that goes down may kill its jobs before its workers
            return status
        sign = last_sign(table['lease'])
        if sign != seen:
            seen, since = sign, time.monotonic()
        if sign is None or time.monotonic() > since + LEASE:
            stop([child])
            raise Reschedule  # for an autotrain.py that was only asleep


def last_sign(lease):
    """When the lease was touched last, by its file system's clock; None if it is gone."""
    try:
        with open(lease) as file:  # NFS asks its server when a file is opened
            return os.fstat(file.fileno()).st_mtime_ns
    except FileNotFoundError:
        return None
    except OSError:
        return 0


def reason_unfit(table):
    """On a worker: why it cannot work for the table; '' if it can."""
    for path in [table['lease'], *table['files']]:
        if not os.path.exists(os.path.join(table['folder'], path)):
            return 'does not see %r' % path
    others = differences(software(table['nets']), table['software'])
    return 'has ' + others if others else ''


@contextmanager
def lease_in(folder):
    """A block in which ``folder`` holds a new file that a thread touches every BEAT seconds; yields its path.

    The file is named as a killed writer's leftover, so that the next autotrain.py removes it before it does
    anything else. Nobody keeps it open: on Windows, others could not read it.
    """
    lease = temporary_name(folder)
    open(lease, 'xb').close()
    end_touching = call_repeatedly(lambda: os.utime(lease))
    try:
        yield lease
    finally:
        end_touching()
        with suppress(OSError):
            os.unlink(lease)


def call_repeatedly(action):
    """Calls ``action`` every BEAT seconds in a thread of its own; returns a function that ends that."""
    ended = threading.Event()

    def loop():
        while not ended.wait(BEAT):
            with suppress(Exception):  # the folder or the scheduler does not answer: the next time, then
                action()

    threading.Thread(target=loop, daemon=True).start()
    return ended.set
