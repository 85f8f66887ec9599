"""The benchmark times what the scripts run: each kind of step works in both forms."""
import benchmark
import pytest
from conftest import run_script

from nets import PAIRS


@pytest.mark.parametrize('plain', benchmark.FORMS.values(), ids=benchmark.FORMS)
@pytest.mark.parametrize('kind', ['Teacher 100', 'ZSKD 1', 'impressions 1'])
@pytest.mark.parametrize('nets', PAIRS)
def test_a_step_of_every_kind_is_timed(nets, kind, plain):
    settings = benchmark.kinds('default', nets)[kind]
    settings.batch_size = 2
    with benchmark.Step(settings, plain) as step:
        assert step.seconds() > 0
    of_the_plain_form = {'lenet': 'MaxPool', 'alexnet': 'Log'}[nets]
    assert (of_the_plain_form in {op.type for op in step._graph.get_operations()}) == plain


def test_jobs_of_the_plain_form_make_impressions_and_a_student(tmp_path, teacher):
    synthesis = ['Data_Impressions.py', '--Rate', '0.02', '--iterations', '1', '--save_path', tmp_path]
    training = ['train_w_distill.py', '--Distillation', 'ZSKD-0.02', '--impressions', tmp_path,
                '--train_dir', tmp_path / 'student', '--steps', '2']
    for job in (synthesis, training):
        done = run_script(['tools/plain_jobs.py', *job, '--teacher', teacher, '--recipe', 'published'])
        assert done.returncode == 0, done.stderr
    assert (tmp_path / 'student' / 'train_params.mat').exists()
