"""Records of jobs: what a result was made from, and whether it still holds."""
import functools
import hashlib
import json
import math
import os
import subprocess
import sys

import cv2
import numpy as np
import scipy

from teachers.formats import digest_of
from utils.data.datasets import digest
from utils.files import REPOSITORY, load_json, save_json, sha256
from utils.records.code_digest import code_digest, digest_of_own
from utils.settings.hyper_parameters import OFF

try:
    from importlib import metadata
except ImportError:  # before Python 3.8
    import importlib_metadata as metadata

IMPRESSIONS = 'Impressions'  # the method of a row of theirs
# Flags that are paths. The contents count, and are among the inputs.
PLACES = {'train_dir', 'save_path', 'data', 'dataset', 'teacher', 'impressions', 'nets', 'any_teacher'}


@functools.lru_cache(maxsize=None)
def versions():
    """What computes a result: {'tensorflow': '1.13.2', ...}; does not import TensorFlow, which is slow."""
    try:
        tensorflow = metadata.version('tensorflow')
    except metadata.PackageNotFoundError:  # it was installed by another name, such as tensorflow-cpu
        from utils.graph_mode import tf
        tensorflow = tf.__version__
    return {'python': '%d.%d' % sys.version_info[:2], 'tensorflow': tensorflow, 'numpy': np.__version__,
            'scipy': scipy.__version__, 'opencv': cv2.__version__}


def fingerprint(settings, digests):
    """What a result depends on.

    {'arguments': all settings, 'inputs': {role: SHA-256}, 'versions': those of ``versions``}.

    settings: a Namespace; digests: of the inputs. The code that computes counts as a version.
    """
    return {'arguments': vars(settings), 'inputs': digests, 'versions': software(settings.nets)}


def software(nets):
    """What a result depends on beside a job's settings and inputs: {name: version}."""
    return dict(versions(), code=code_digest(nets))


def digests_of(files):
    """{role: SHA-256} of a job's input files as they are now, None where one cannot be read."""
    readers = dict(teacher=digest_of, nets=digest_of_own)
    return {role: readers.get(role, digest)(place) for role, place in files.inputs.items()}


def result_key(record):
    """The entries of a record that decide its result: {name: value} without paths."""
    arguments = {name: value for name, value in record['arguments'].items()
                 if name not in PLACES and not (name in OFF and value == OFF[name])}
    return {'settings': dict(arguments, **record['versions']), 'inputs': record['inputs']}


def short_digest(made_from):
    """8 hex digits for what a result depends on, for the name of a file."""
    return hashlib.sha256(json.dumps(result_key(made_from), sort_keys=True).encode()).hexdigest()[:8]


def save_record(files, made_from, **values):
    """Writes a job's record, the last of its files.

    Its fingerprint, what it made (by SHA-256), and ``values``.
    """
    save_json(files.record, dict(values, outputs=_output_digests(files), commit=git_commit(), **made_from))


def git_commit():
    """The Git commit of this checkout, with '+' where files differ from it; None where it is none."""
    if not os.path.exists(os.path.join(REPOSITORY, '.git')):  # one of a folder above is of other files
        return None
    command = ['git', '-C', REPOSITORY, 'describe', '--always', '--abbrev=40', '--dirty=+', '--exclude=*']
    try:
        described = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except OSError:
        return None
    return described.stdout.decode().strip() or None


def finished_row(settings, files, run):
    """(the row of a job that is done, ''), or (None, why its record does not hold); '' where it has none.

    A job is done if its record is whole, of these settings, inputs and versions, and its outputs are as they
    were. Paths do not matter, contents do. Settings at their off value are ignored.
    """
    record = load_json(files.record)
    if record is None:
        return None, ''
    try:
        why = why_another(result_key(record), result_key(fingerprint(settings, digests_of(files))))
        if why:
            return None, why
        changed = _changed(record['outputs'], _output_digests(files))
        if changed:
            return None, ' and '.join(changed) + ' cannot be read or was altered'
        return table_row(record, run), ''
    except (TypeError, KeyError, AttributeError, ValueError):  # somebody's JSON, but no record
        return None, 'its record is damaged'


def why_another(then, now):
    """Why one result_key is not the other, in words; '' where it is."""
    made_with = differences(then['settings'], now['settings'])
    if made_with:
        return 'made with ' + made_with
    changed = _changed(then['inputs'], now['inputs'])
    return 'made from another ' + ' and another '.join(changed) if changed else ''


def print_replaced(settings, files):
    """Prints a line where a job's files are there and are of another job; it will replace them."""
    row, why = finished_row(settings, files, 0)
    there = [path for path in files.outputs if os.path.exists(path)]
    if there and row is None:
        print('%r is there: %s; it will be replaced' % (there[0], why or 'it has no record'))


def differences(found, wanted):
    """The values of {name: value} that are not as wanted, in words.

    For example 'steps 24, not 12000, tensorflow 1.13.2, not 2.21.0'.
    """
    return ', '.join('%s %s, not %s' % (name, _shown(found, name), _shown(wanted, name))
                     for name in _changed(found, wanted))


def _shown(values, name):
    return values.get(name, OFF.get(name, 'none'))


def _changed(found, wanted):
    return sorted(name for name in {*found, *wanted} if found.get(name, 'none') != wanted.get(name, 'none'))


def _output_digests(files):
    return {os.path.basename(path): sha256(path) for path in files.outputs}


def table_row(record, run):
    """One job's row: {column: value}, from its record; impressions have other figures than an accuracy.

    Raises KeyError, TypeError or ValueError for a record that somebody edited.
    """
    row = dict(record['arguments'], **record['versions'])
    limits = {'agreement' if 'agreement' in record else 'accuracy': 100, 'seconds': math.inf}
    if 'Rate' in row:
        row.update(method=IMPRESSIONS, rate=row.pop('Rate'))
        limits = {'kl': math.inf, 'targets_met': 100, 'seconds': math.inf}
    for name, most in limits.items():
        if not 0 <= record[name] <= most:  # nor NaN
            raise ValueError(name)
        row[name] = round(record[name], 1 if name == 'seconds' else 4)
    return dict(row, run=run)
