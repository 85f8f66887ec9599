"""The version of the code that computes results.

It is a digest that follows from the code, so nobody has to raise it.

Words do not count: comments, docstrings, what is printed, and what errors say.
"""
import ast
import functools
import hashlib
import os

from nets import PAIRS, pair_file
from nets.priors import PRIORS, prior_file
from utils.layout import REPOSITORY

# Every module that can change a number. Pairs and priors count where they are used.
MODULES = ('Data_Impressions.py', 'train_w_distill.py', 'nets/build.py', 'nets/fast_conv.py',
           'nets/layers.py', 'nets/losses.py', 'nets/similarity.py', 'teachers/foreign.py',
           'teachers/formats.py', 'teachers/freeze.py', 'teachers/recognise.py', 'teachers/trained.py',
           'teachers/weights.py', 'utils/datasets.py', 'utils/impressions.py', 'utils/schedule.py',
           'utils/session.py', 'utils/transfer_set.py')


def code_digest(settings):
    """12 hex digits for the code that computes a job with these settings, a Namespace.

    A user's own pair is not among it: its content is an input of the job.
    """
    files = [os.path.join(REPOSITORY, name) for name in MODULES]
    if settings.nets in PAIRS:
        files.append(pair_file(settings.nets))
    files += [prior_file(name) for name in PRIORS if getattr(settings, name, 0)]
    return hashlib.sha256(''.join(map(_digest, files)).encode()).hexdigest()[:12]


@functools.lru_cache(maxsize=None)
def _digest(path):
    with open(path, encoding='utf-8') as file:
        return digest_of_source(file.read())


def digest_of_source(source):
    """SHA-256 of what a Python source computes, without its words."""
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
