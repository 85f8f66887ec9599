"""A new prior is a new file: it gets a flag, and what was made before stays valid while it is off."""
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT

import Data_Impressions
from utils.matfile import mat_arrays

NEW = '''"""factor of the distance from 50 % grey, for each impression

A second paragraph is no help.
"""
from utils.graph_mode import tf


def penalty(images):
    return tf.reduce_sum(tf.abs(images - 0.5))
'''
LOOK = """
import json, sys
from utils.flags import synthesis_flags
from utils.layout import synthesis_files
from utils.records import finished_row
settings = synthesis_flags(sys.argv[1:])
row, why = finished_row(settings, synthesis_files(settings), 0)
print(json.dumps([row is not None, why, vars(settings)]))
"""


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    """(folder, flags) of impressions that this checkout made."""
    folder = tmp_path_factory.mktemp('made')
    flags = ['--Rate=0.02', '--iterations=3', '--dataset=none', '--save_path=%s' % folder]
    Data_Impressions.main(flags)
    return folder, flags


@pytest.fixture(scope='module')
def copied(tmp_path_factory):
    """A copy of this checkout with one prior more."""
    folder = tmp_path_factory.mktemp('copy')
    for name in ('nets', 'teachers', 'utils', 'pre_trained'):
        shutil.copytree(os.path.join(ROOT, name), str(folder / name))
    for name in ('Data_Impressions.py', 'train_w_distill.py'):
        shutil.copy(os.path.join(ROOT, name), str(folder / name))
    (folder / 'nets' / 'priors' / 'greyness.py').write_text(NEW)
    (folder / 'nets' / 'priors' / 'unexplained.py').write_text(NEW.split('"""')[2])
    return folder


def run(folder, *words):
    """What a process says that runs in the copy."""
    return subprocess.run([sys.executable, *words], cwd=str(folder), stdout=subprocess.PIPE, check=True,
                          universal_newlines=True, env=dict(os.environ, PYTHONPATH=str(folder))).stdout


def test_a_new_prior_is_a_flag_and_off(copied):
    said = ' '.join(run(copied, 'Data_Impressions.py', '--help').split())
    assert '--greyness GREYNESS factor of the distance from 50 % grey, for each impression' in said
    assert 'A second paragraph' not in said and '--unexplained UNEXPLAINED' in said
    for recipe in ('default', 'published'):
        *_, settings = json.loads(run(copied, '-c', LOOK, '--Rate=1', '--recipe=%s' % recipe))
        assert settings['greyness'] == 0


def test_what_was_made_before_stays_valid_while_it_is_off(made, copied):
    _, flags = made
    for off in ([], ['--greyness=0']):
        assert json.loads(run(copied, '-c', LOOK, *flags, *off))[:2] == [True, '']
    finished, why, _ = json.loads(run(copied, '-c', LOOK, *flags, '--greyness=0.5'))
    assert not finished and why.startswith('made with code ') and why.endswith(', greyness 0, not 0.5')


def test_a_prior_counts_as_code_only_where_it_is_on(made, copied):
    """Also one that was there: total variation is on, and l2 is off."""
    _, flags = made
    for name, still in (('l2', True), ('total_variation', False)):
        path = copied / 'nets' / 'priors' / (name + '.py')
        text = path.read_text()
        path.write_text(text + '\n\nCHANGED = True\n')
        finished, why, _ = json.loads(run(copied, '-c', LOOK, *flags))
        assert finished == still and (still or why.startswith('made with code '))
        path.write_text(text)


def test_it_is_on_the_impressions_where_it_is_on(made, copied, tmp_path):
    """Off, the copy makes the same bytes; with a large factor, all is nearly grey."""
    folder, flags = made
    images = {}
    for factor in ('0', '1000'):
        run(copied, 'Data_Impressions.py', *flags, '--save_path=%s' % (tmp_path / factor),
            '--greyness=%s' % factor, '--iterations=60' if factor == '1000' else '--iterations=3')
        images[factor] = mat_arrays(str(tmp_path / factor / 'DI-0.02.mat'))[0]['train_images']
    assert (tmp_path / '0' / 'DI-0.02.mat').read_bytes() == (folder / 'DI-0.02.mat').read_bytes()
    assert np.abs(images['1000'] - 127.5).mean() < 20 < np.abs(images['0'] - 127.5).mean()
