"""Priors on an impression, a file each: what a natural image is like, whatever it shows.

A prior's file has a function penalty(images) of the impressions [H, W, C, B], less the ground, which gives a
scalar: the sum of the penalties of all B of them. The first line of the file's docstring is the help of its
flag, --<name of the file>, whose value is the factor of the penalty; 0 leaves it out. A recipe that does not
name a prior leaves it out.
"""
import ast
import os

HERE = os.path.dirname(os.path.abspath(__file__))


def _first_line(path):
    with open(path, encoding='utf-8') as file:
        return (ast.get_docstring(ast.parse(file.read(), path)) or 'factor of its penalty').split('\n')[0]


# {name: what its factor weighs}; read, not imported, since flags need no TensorFlow.
PRIORS = {name[:-3]: _first_line(os.path.join(HERE, name))
          for name in sorted(os.listdir(HERE)) if name.endswith('.py') and name != '__init__.py'}


def prior_file(name):
    return os.path.join(HERE, name + '.py')
