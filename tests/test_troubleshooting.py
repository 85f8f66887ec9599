"""The pages of messages have a row for every one that the code ends with, and for no other."""
import ast
import os
import re
from glob import glob

import pytest
from conftest import ROOT
from documents import read, short

MODULES = sorted(glob(os.path.join(ROOT, '*.py'))
                 + [path for folder in ('nets', 'teachers', 'utils', 'export', 'tools')
                    for path in glob(os.path.join(ROOT, folder, '**', '*.py'), recursive=True)])
ENDINGS = {'RunError', 'ArgumentTypeError', 'error', '_exit'}  # what is called with a message for the user
# Where a ValueError is said as it is, by Parser.error.
USAGE = {'autotrain.py', 'utils/settings/flags.py', 'utils/settings/recipes.py', 'utils/settings/methods.py'}


def as_shown(text):
    """The leading part of a message, up to the way out, with … for what differs."""
    text = re.sub(r'^error: ', '', text).replace('%%', '%')
    text = re.sub(r'%(?:\.\d)?[dgfrs]|\$\{[^}]*\}|\$\w+', '…', text).split(';')[0].split('\n')[0]
    return re.sub(r'^[…:\s]+|(: …)+$', '', re.sub('…+', '…', text).strip())


def texts(node, function):
    """The texts that an expression can be: string literals (.s before Python 3.8), what is added to one."""
    text = getattr(node, 'value', getattr(node, 's', None))
    if isinstance(text, str):
        return [text]
    if isinstance(node, ast.BinOp):
        left = texts(node.left, function)
        if isinstance(node.op, ast.Add) and left:
            return [one + other for one in left for other in texts(node.right, function) or ['']]
        return left
    if isinstance(node, ast.IfExp):
        return texts(node.body, function) + texts(node.orelse, function)
    assigned = [statement.value for statement in ast.walk(function) if isinstance(statement, ast.Assign)
                and isinstance(node, ast.Name) and getattr(statement.targets[0], 'id', '') == node.id]
    return [text for value in assigned for text in texts(value, function)]


def messages(path):
    """The messages of a module for the user, as they are shown."""
    found, tree = set(), ast.parse(read(path))
    for function in [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.Module))]:
        for call in [node for node in ast.walk(function) if isinstance(node, ast.Call) and node.args]:
            name = getattr(call.func, 'id', getattr(call.func, 'attr', ''))
            if name in ENDINGS or (name == 'ValueError' and short(path) in USAGE):
                found.update(map(as_shown, texts(call.args[0], function)))
    return found - {''}


def messages_of_the_set_up():
    return {as_shown(text) for text in re.findall(r'\bfail ["\'](.*)["\']', read('utils', 'setup.sh'))} - {''}


def rows():
    """The messages that the pages have rows for."""
    pages = ''.join(read('docs', name) for name in ('troubleshooting.md', 'troubleshooting-networks.md'))
    return re.findall(r'^\| `(.*?)` \|', pages, re.MULTILINE)


@pytest.mark.parametrize('path', [path for path in MODULES if messages(path)], ids=short)
def test_every_message_has_a_row(path):
    assert messages(path) - set(rows()) == set()


def test_every_message_of_the_set_up_has_a_row():
    assert messages_of_the_set_up() - set(rows()) == set()


def test_every_row_is_of_one_message():
    """Of an error, or of a notice: then its words stand in the code."""
    known = set.union(messages_of_the_set_up(), *map(messages, MODULES))
    nodes = [node for path in MODULES for node in ast.walk(ast.parse(read(path)))]
    notices = ' '.join(as_shown(text) for node in nodes if not isinstance(node, (ast.BinOp, ast.IfExp, ast.Name))
                       for text in texts(node, node))
    notices += read('utils', 'setup.sh').replace('%s', '…')
    assert [row for row in rows() if row not in known and row not in notices] == []
    assert len(rows()) == len(set(rows()))
