"""Networks in pairs of a teacher and a student, their layers, losses and priors. Here: the pairs' names.

Flags need the names and no TensorFlow, which nets/networks.py imports.
"""
PAIRS = 'lenet', 'alexnet'  # each a module of its name in this folder
