"""The device that TensorFlow runs on: the CPU, unless a GPU is asked for."""
import os
import subprocess
from argparse import Namespace

import pytest
import tensorflow.compat.v1 as tf
from conftest import ROOT, run_script

import Data_Impressions
from utils.console import run
from utils.files import RunError
from utils.graph_mode import session
from utils.table import machine
from utils.table.flags import table_flags
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
    with pytest.raises(RunError, match='^TensorFlow sees no GPU here; use --device cpu'):
        Data_Impressions.main(['--Rate=0.1', '--device=gpu', '--save_path=%s' % tmp_path])
    assert not list(tmp_path.glob('*.mat'))


def test_a_device_without_memory_is_one_line():
    def main():
        raise tf.errors.ResourceExhaustedError(None, None, 'OOM when allocating tensor')

    with pytest.raises(SystemExit, match='error: TensorFlow is out of memory; use a smaller --batch_size'):
        run(main)


LISTED = Namespace(returncode=0, stdout=b'0, GPU-x, 24576\n1, GPU-y, 16384\n')


@pytest.mark.parametrize('done, visible, gpus', [
    (LISTED, None, {'0': 24, '1': 16}), (LISTED, '', {}), (LISTED, '-1', {}), (LISTED, '1', {'1': 16}),
    (LISTED, '0,1', {'0': 24, '1': 16}), (LISTED, 'GPU-x', {'GPU-x': 24}),
    (LISTED, 'MIG-z', {'MIG-z': machine.JOB_MEMORY}),
    (Namespace(returncode=0, stdout=b'0, G, [N/A]\n'), None, {'0': machine.JOB_MEMORY}),
    (Namespace(returncode=9, stdout=b'NVIDIA-SMI could not reach the driver.\n'), None, {})])
def test_gpus_are_those_that_the_driver_lists_and_the_user_allows(done, visible, gpus, monkeypatch):
    """One that tells no memory carries a job; without the driver there is none."""
    monkeypatch.setattr(subprocess, 'run', lambda *_, **__: done)
    monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)
    if visible is not None:
        monkeypatch.setenv('CUDA_VISIBLE_DEVICES', visible)
    assert visible_gpus() == gpus


@pytest.mark.parametrize('memory, cores, jobs', [
    ({}, 8, 1), ({'0': 79.6}, 16, 9), ({'0': 79.6}, 2, 2), ({'0': 6.0}, 8, 1),
    ({'0': 16.0, '1': 16.0}, 8, 4)])
def test_as_many_jobs_as_memory_and_cores_carry(memory, cores, jobs, monkeypatch):
    monkeypatch.setattr(machine, 'visible_gpus', lambda: memory)
    monkeypatch.setattr(machine, 'available_cores', lambda: cores)
    assert table_flags(['--device=gpu'])[1].jobs == jobs and table_flags(['--jobs=3'])[1].jobs == 3
    assert table_flags([])[1].jobs == cores and table_flags(['--threads=4'])[1].jobs == max(1, cores // 4)


def test_a_gpu_has_as_many_jobs_as_its_memory_carries(monkeypatch):
    monkeypatch.setattr(machine, 'visible_gpus', lambda: {'0': 8.0, '1': 24.0})
    assert machine.gpu_slots() == ['0', '1', '1', '1']


def test_jobs_share_out_the_gpus(tmp_path):
    """Two jobs at a time on two GPUs never see the same one."""
    script = 'echo $CUDA_VISIBLE_DEVICES >> {0}; until [ "$(wc -l < {0})" -ge {1} ]; do sleep 0.1; done'
    with LocalPool(2, {}, ['4', '6']) as pool:
        ended = [pool.submit(['sh', '-c', script.format(tmp_path / 'seen', seen)], str(tmp_path / 'log'))
                 for seen in (2, 2, 4, 4)]
        assert [future.result(timeout=60) for future in ended] == [0] * 4
    seen = (tmp_path / 'seen').read_text().split()
    assert sorted(seen) == ['4', '4', '6', '6'] and sorted(seen[:2]) == ['4', '6']


def test_no_variable_of_the_user_chooses_another_keras():
    """Neither here nor in the children that freeze and export."""
    code = ('from utils.graph_mode import run_in_eager_mode, tf; tf.keras.layers.Dense(1)\n'
            'import os; assert "TF_USE_LEGACY_KERAS" not in os.environ\n'
            'assert os.environ["KERAS_BACKEND"] == "tensorflow"\n'
            'said = run_in_eager_mode("utils.images", "x"), run_in_eager_mode("no.such.module")\n'
            'assert said[0] is None and "No module" in said[1], said')
    done = run_script(['-c', code], env=dict(
        os.environ, KERAS_BACKEND='torch', TF_USE_LEGACY_KERAS='1', PYTHONSAFEPATH='1', PYTHONPATH=ROOT))
    assert done.returncode == 0, done.stderr
