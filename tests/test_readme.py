"""The README as a stranger follows it: its commands one after the other, and what it says of the results."""
import os
import shlex

from documents import README, commands, read, unwrapped

import Data_Impressions
import train_w_distill
import visualization
from tools import document_tables


def test_the_commands_run_one_after_the_other(tmp_path, data, monkeypatch):
    """As they stand, in an empty folder, but for fewer steps; the table's own have test_autotrain.py."""
    mains = {'train_w_distill.py': (train_w_distill.main, ['--steps=2']),
             'Data_Impressions.py': (Data_Impressions.main, ['--iterations=2']),
             'visualization.py': (visualization.main, [])}
    monkeypatch.setattr(train_w_distill, 'UNSEEN', 60)
    os.symlink(data, str(tmp_path / 'data'))
    monkeypatch.chdir(tmp_path)
    ran = []
    for command in commands(read(README)):
        script, *words = shlex.split(command, comments=True)[1:] or ['']
        if script in mains:
            main, fewer = mains[script]
            assert not main(words + fewer + ['--copies=1'] * ('--augment' in words))
            ran.append(script)
    assert len(ran) == 9 and set(ran) == set(mains)
    assert set(os.listdir('pictures')) == {'concentrate.png', 'samples.png', 'accuracy.png', 'confusion.png'}


def test_published_numbers_are_those_of_the_comparison():
    *means, last = ['%.2f' % document_tables.PUBLISHED[rate][1] for rate in (40, 25, 10, 5, 1)]
    assert '%s and %s for ZSKD at the rates 40 to 1' % (', '.join(means), last) in unwrapped(README)


def test_fashion_mnist_is_that_of_the_record():
    table = document_tables.TABLES['fashion-mnist']()
    augmented, = [line.split('|')[6].strip() for line in table.splitlines() if line.startswith('|     80 ')]
    assert 'this project reaches %s' % augmented in unwrapped(README)


def test_the_papers_numbers_are_those_of_the_page_of_results():
    for number in ('98.77', '79.62'):
        assert number in read(README) and number in read('docs', 'results.md')
