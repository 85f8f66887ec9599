"""The benchmark times what the scripts run: each kind of step works in both forms."""
import benchmark
import pytest

from nets import PAIRS


@pytest.mark.parametrize('plain', benchmark.FORMS.values(), ids=benchmark.FORMS)
@pytest.mark.parametrize('kind', ['Teacher 100', 'ZSKD 1', 'impressions 1'])
@pytest.mark.parametrize('nets', PAIRS)
def test_a_step_of_every_kind_is_timed(nets, kind, plain):
    settings = benchmark.kinds('default', nets)[kind]
    settings.batch_size = 2
    with benchmark.Step(settings, plain) as step:
        assert step.seconds() > 0
