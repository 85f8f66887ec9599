"""The pages of messages have a row for every one that the code ends with, and for no other."""
import ast
import os
import re
from glob import glob

import pytest
from conftest import ROOT
from documents import read, short

MODULES = sorted(path for folder in ('', 'nets', 'teachers', 'utils', 'utils/*', 'export', 'tools')
                 for path in glob(os.path.join(ROOT, folder, '*.py')))
SET_UP = os.path.join(ROOT, 'utils', 'setup.sh')
ROWS = re.findall(r'^\| `(.*?)` \|', read('docs', 'troubleshooting.md')
                  + read('docs', 'troubleshooting-networks.md'), re.MULTILINE)
# What is called with a message for the user.
ENDINGS = {'RunError', 'UnreadableGraph', 'FlagError', 'ArgumentTypeError', 'error', '_exit'}


def as_shown(text):
    """The leading part of a message, up to the way out, with … for what differs."""
    text = re.sub(r'^error: ', '', text).replace('%%', '%')
    text = re.sub(r'%(?:\.\d)?[dgfrs]|\$\{[^}]*\}|\$\w+', '…', text).split(';')[0].split('\n')[0]
    return re.sub(r'^[…:\s]+|(: …)+$', '', re.sub('…+', '…', text).strip())


def texts(node):
    """The texts that an expression can begin with: string literals (.s before Python 3.8)."""
    if isinstance(node, ast.BinOp):
        return texts(node.left)
    if isinstance(node, ast.IfExp):
        return texts(node.body) + texts(node.orelse)
    text = getattr(node, 'value', getattr(node, 's', None))
    return [text] if isinstance(text, str) else []


def messages(path):
    """The messages of a module, or of the set-up, for the user, as they are shown."""
    if path == SET_UP:
        found = re.findall(r'\bfail ["\'](.*)["\']', read(path))
    else:
        calls = [node for node in ast.walk(ast.parse(read(path))) if isinstance(node, ast.Call) and node.args]
        found = [text for call in calls for text in texts(call.args[0])
                 if getattr(call.func, 'id', getattr(call.func, 'attr', '')) in ENDINGS]
    return set(map(as_shown, found)) - {''}


@pytest.mark.parametrize('path', [path for path in [*MODULES, SET_UP] if messages(path)], ids=short)
def test_every_message_has_a_row(path):
    assert messages(path) - set(ROWS) == set()


def test_every_row_is_of_one_message():
    nodes = [node for path in MODULES for node in ast.walk(ast.parse(read(path)))]
    known = ' '.join([*messages(SET_UP), *(as_shown(text) for node in nodes for text in texts(node))])
    assert [row for row in ROWS if row not in known + read(SET_UP).replace('%s', '…')] == []
    assert len(ROWS) == len(set(ROWS))
