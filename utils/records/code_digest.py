"""A digest of the code that computes results, as its version.

Comments, docstrings, printed lines and messages do not count, so a better sentence makes no record stale.
"""
import ast
import functools
import glob
import hashlib
import os
import re

from nets import PAIRS
from utils.files import REPOSITORY, read_bytes, sha256

NETS = ('nets/fast_conv.py', 'nets/layers.py', 'nets/losses.py', 'nets/networks.py', 'nets/plain_conv.py',
        'nets/priors.py')
# Every module that can change a number, but for the pairs.
MODULES = ('Data_Impressions.py', 'train_w_distill.py', *NETS, 'teachers/*.py', 'utils/data/*.py',
           'utils/graph_mode.py', 'utils/images.py', 'utils/matfile.py', 'utils/npz.py',
           'utils/records/inputs.py', 'utils/records/origins.py', 'utils/records/training_state.py',
           'utils/settings/schedule.py')


@functools.lru_cache(maxsize=None)
def code_digest(nets):
    """12 hex digits for the code that computes a job with the pair of networks ``nets``.

    A user's own pair is not among it: its content is an input of the job. It may import known pairs.
    """
    pairs = ['nets/%s.py' % pair for pair in ([nets] if nets in PAIRS else PAIRS)]
    digest = hashlib.sha256()
    for pattern in [*MODULES, *pairs]:
        for path in sorted(glob.glob(os.path.join(glob.escape(REPOSITORY), pattern))):
            digest.update(digest_of_source(read_bytes(path)).encode())
    return digest.hexdigest()[:12]


def digest_of_own(path):
    """SHA-256 of a user's own file of networks; where it imports modules beside it, of them all in order.

    This project's modules, which ``code_digest`` has, are not among them. None where it cannot be read.
    """
    folder, found, waiting = os.path.dirname(os.path.abspath(path)), {}, [os.path.abspath(path)]
    while waiting:
        file = waiting.pop()
        if file in found or not os.path.isfile(file) or file != os.path.abspath(path) and _is_ours(file):
            continue
        found[file] = sha256(file)
        if found[file] is None:
            return None
        for line in re.findall(rb'^\s*(?:from|import)\s.*', read_bytes(file), re.MULTILINE):
            for name in re.findall(r'\w+', line.decode(errors='ignore')):
                package = os.path.join(glob.escape(folder), name, '**', '*.py')
                waiting += [os.path.join(folder, name + '.py'), *glob.glob(package, recursive=True)]
    if len(found) < 2:
        return sha256(path)
    lines = ['%s %s\n' % (os.path.relpath(file, folder), found[file]) for file in sorted(found)]
    return hashlib.sha256(''.join(lines).encode(errors='surrogateescape')).hexdigest()


def _is_ours(file):
    name = os.path.relpath(os.path.realpath(file), os.path.realpath(REPOSITORY)).replace(os.sep, '/')
    return name.split('/')[0] in ('export', 'teachers', 'tools', 'utils') or name in [
        'nets/__init__.py', *NETS, *('nets/%s.py' % pair for pair in PAIRS)]


def digest_of_source(source):
    """SHA-256 of a Python source without docstrings, prints and messages."""
    return hashlib.sha256(ast.dump(_WithoutWords().visit(ast.parse(source))).encode()).hexdigest()


class _WithoutWords(ast.NodeTransformer):
    """Leaves out docstrings and other bare texts, calls of print, and what is raised."""

    def visit_Expr(self, node):
        value = node.value
        text = value.value if hasattr(value, 'value') else getattr(value, 's', None)  # .s before Python 3.8
        is_text = isinstance(text, str)
        is_print = isinstance(value, ast.Call) and getattr(value.func, 'id', '') == 'print'
        return None if is_text or is_print else self.generic_visit(node)

    def visit_Raise(self, node):
        return ast.copy_location(ast.Raise(exc=None, cause=None), node)
