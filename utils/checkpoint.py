"""What a long job has come to, kept in one file: the same command goes on from it after a kill."""
import hashlib
import io
import json
import os
import time
import zipfile
from contextlib import suppress

import numpy as np

from utils.files import atomic_write
from utils.records import what_decides

EVERY = 120  # seconds between two checkpoints


class Checkpoint:
    """A file of named arrays that belongs to one job; another job's checkpoint counts as none."""

    def __init__(self, path, made_from):
        """made_from: the job's fingerprint."""
        self._path, self._saved = path, time.monotonic()
        self._job = hashlib.sha256(json.dumps(what_decides(made_from), sort_keys=True).encode()).hexdigest()

    def is_due(self):
        """Whether the last checkpoint is long enough ago."""
        return time.monotonic() >= self._saved + EVERY

    def save(self, **arrays):
        """Replaces the file. Raises RunError where it cannot be written."""
        content = io.BytesIO()
        np.savez(content, job=self._job, **arrays)
        with atomic_write(self._path) as file:
            file.write(content.getbuffer())
        self._saved = time.monotonic()

    def load(self):
        """{name: array} as they were saved; {} where there is no whole checkpoint of this job."""
        try:
            with np.load(self._path, allow_pickle=False) as arrays:
                found = {name: arrays[name] for name in arrays.files}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return {}
        if str(found.pop('job', '')) != self._job:
            return {}
        print('going on from %r' % self._path)
        return found

    def remove(self):
        with suppress(FileNotFoundError):
            os.unlink(self._path)
