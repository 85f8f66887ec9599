"""The documents as the tests read them: their text, their commands, their snippets."""
import os
import re
from glob import glob

from conftest import ROOT

DOCUMENTS = sorted(path for name in ('*.md', 'docs/*.md', 'results/README.md', 'results/bench_jobs.md')
                   for path in glob(os.path.join(ROOT, name)))


def read(*parts):
    """The text of a file of the repository."""
    with open(os.path.join(ROOT, *parts), encoding='utf-8') as file:
        return file.read()


def short(path):
    """A path as it is named in a test."""
    return os.path.relpath(path, ROOT)


def commands(text):
    """The command lines of a document in code blocks and between backticks: 'python ...' and 'make ...'."""
    text = text.replace('\\\n', ' ')
    blocks = re.findall(r'^ {4,}(?:\.venv/bin/)?((?:python3? |make ).*)$', text, re.MULTILINE)
    return blocks + re.findall(r'`((?:python3? |make )[^`]+)`', text)


def snippets(text):
    """The Python snippets of a document."""
    return re.findall(r'```python\n(.*?)```', text, re.DOTALL)
