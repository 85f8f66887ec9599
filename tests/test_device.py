"""The device that TensorFlow runs on: the CPU, unless a GPU is asked for."""
import subprocess
from argparse import Namespace

import pytest
import tensorflow.compat.v1 as tf
from conftest import run_script

from utils.console import run
from utils.graph_mode import session
from utils.records.records import result_key
from utils.settings import flags
from utils.table.jobs import LocalPool
from utils.table.machine import visible_gpus


def test_no_gpu_is_used_unless_asked_for(monkeypatch):
    configs = []
    monkeypatch.setattr(tf, 'Session', lambda config: configs.append(config) or Namespace(
        list_devices=lambda: [Namespace(device_type='GPU')]))
    session(1)
    session(1, 'gpu')
    assert [config.device_count['GPU'] for config in configs] == [0, 1]
    assert configs[1].gpu_options.allow_growth


def test_a_gpu_that_is_not_there_is_one_line(tmp_path):
    if visible_gpus():
        pytest.skip('there is a GPU')
    ended = run_script(['Data_Impressions.py', '--Rate=0.1', '--device=gpu', '--save_path', tmp_path])
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith('error: TensorFlow sees no GPU here; use --device cpu')
    assert 'Traceback' not in ended.stderr and not list(tmp_path.glob('*.mat'))


def test_a_device_without_memory_is_one_line(capsys):
    def main():
        raise tf.errors.ResourceExhaustedError(None, None, 'OOM when allocating tensor')

    with pytest.raises(SystemExit, match='error: TensorFlow is out of memory; use a smaller --batch_size'):
        run(main)


def test_the_device_is_in_the_record_and_the_cpu_is_as_none():
    def settings(**device):
        return result_key({'arguments': dict(steps=1, **device), 'versions': {}, 'inputs': {}})['settings']

    assert settings() == settings(device='cpu') != settings(device='gpu')


@pytest.mark.parametrize('visible, gpus', [('', []), ('-1', []), ('0', ['0']), ('0,3', ['0', '3']),
                                           ('GPU-a,GPU-b', ['GPU-a', 'GPU-b'])])
def test_gpus_are_those_that_are_visible(visible, gpus):
    assert visible_gpus({'CUDA_VISIBLE_DEVICES': visible}) == gpus


def test_gpus_are_listed_by_the_driver(monkeypatch):
    listed = Namespace(stdout=b'GPU 0: H100 (UUID: GPU-x)\nGPU 1: H100 (UUID: GPU-y)\n')
    monkeypatch.setattr(subprocess, 'run', lambda *_, **__: listed)
    assert visible_gpus({}) == ['0', '1']


def test_a_table_has_as_many_jobs_as_gpus(monkeypatch):
    monkeypatch.setattr(flags, 'visible_gpus', lambda: ['0', '1', '2'])
    monkeypatch.setattr(flags, 'available_cores', lambda: 7)
    assert [flags.table_flags(words)[1].jobs for words in
            ([], ['--device=gpu'], ['--device=gpu', '--jobs=2'])] == [7, 3, 2]


def test_jobs_share_out_the_gpus(tmp_path):
    """Two jobs at a time on two GPUs never see the same one."""
    script = 'echo $CUDA_VISIBLE_DEVICES >> %s; sleep 0.3' % (tmp_path / 'seen')
    with LocalPool(2, {}, ['4', '6']) as pool:
        ended = [pool.submit(['sh', '-c', script], str(tmp_path / 'log')) for _ in range(4)]
        assert [future.result() for future in ended] == [0] * 4
    seen = (tmp_path / 'seen').read_text().split()
    assert sorted(seen) == ['4', '4', '6', '6'] and sorted(seen[:2]) == ['4', '6']
