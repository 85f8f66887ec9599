"""The shape of the code: a module imports from its room and from those below; modules, functions are short.

The rooms are folders, in this order from the ground.
"""
import ast
import glob
import os

from conftest import ROOT

ROOMS = ['utils', 'nets', 'teachers', 'utils/data', 'utils/settings', 'utils/records', 'utils/table',
         'export', '', 'tools']
LONGEST_MODULE, LONGEST_FUNCTION = 220, 50  # lines


def parsed():
    """{module: (its room, its lines, its syntax tree)} of the product."""
    found = {}
    for room in ROOMS:
        for path in glob.glob(os.path.join(ROOT, room, '*.py')):
            with open(path, encoding='utf-8') as file:
                source = file.read()
            name = os.path.relpath(path, ROOT)[:-3].replace(os.sep, '.').replace('.__init__', '')
            found[name] = room, source.count('\n'), ast.parse(source)
    return found


MODULES = parsed()


def imports(name):
    """The modules of the product that a module imports, wherever in it."""
    found = set()
    for node in ast.walk(MODULES[name][2]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module, *('%s.%s' % (node.module, alias.name) for alias in node.names)}
    return found & set(MODULES) - {'utils', name}


def test_a_module_imports_from_its_own_room_and_from_those_below():
    assert len({room for room, _, _ in MODULES.values()}) == len(ROOMS)
    assert [(name, other) for name in MODULES for other in imports(name)
            if ROOMS.index(MODULES[other][0]) > ROOMS.index(MODULES[name][0])] == []


def test_no_modules_import_each_other_in_a_circle():
    left = {name: imports(name) for name in MODULES}
    while True:
        free = [name for name, others in left.items() if not others & set(left)]
        if not free:
            break
        left = {name: others for name, others in left.items() if name not in free}
    assert left == {}


def test_modules_and_functions_are_short():
    long = [name for name, (_, lines, _) in MODULES.items() if lines > LONGEST_MODULE]
    long += ['%s.%s' % (name, node.name) for name, (_, _, tree) in MODULES.items() for node in ast.walk(tree)
             if isinstance(node, ast.FunctionDef) and lines_of(node) > LONGEST_FUNCTION]
    assert long == []


def lines_of(function):
    """How many lines a function has; Python 3.7 knows the first line of each node alone."""
    last = max(getattr(node, 'end_lineno', None) or getattr(node, 'lineno', 0) for node in ast.walk(function))
    return last - function.lineno + 1
