"""How far a training is, and how a checkpoint holds that."""
import json
from argparse import Namespace

from utils.graph_mode import tf, values_of


class State(Namespace):
    """How far a training is, beside its variables: step, points of the curves, best_score, best_weights."""


def resume(sess, checkpoint):
    """The State that a checkpoint holds, whose variables ``sess`` gets; without one that of the start."""
    kept = checkpoint.load()
    if not kept:
        return State(step=0, points=[], best_score=-1.0, best_weights={})
    for variable in tf.global_variables():
        variable.load(kept['now/' + variable.op.name], sess)
    return State(step=int(kept['step']), points=json.loads(str(kept['points'])),
                 best_score=float(kept['best_score']),
                 best_weights={name[len('best/'):]: array for name, array in kept.items()
                               if name.startswith('best/')})


def save_state(sess, state, checkpoint):
    """Saves what ``resume`` reads."""
    now = values_of(sess, tf.global_variables())
    checkpoint.save(step=state.step, points=json.dumps(state.points), best_score=state.best_score,
                    **{'now/' + name: array for name, array in now.items()},
                    **{'best/' + name: array for name, array in state.best_weights.items()})
