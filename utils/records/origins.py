"""What the record of a file says of its origin: of which teacher, data and settings it was made."""
from argparse import Namespace

from teachers.formats import TeacherOptions
from utils.files import RunError, load_json
from utils.records.layout import record_of_impressions, records_of_weights
from utils.records.records import differences
from utils.settings.hyper_parameters import OFF, SYNTHESIS


def record_of(digest_of_file, places):
    """The first record among the files ``places`` that is of a file with this content, whatever its name.

    None where there is none. A record is whole if it has arguments, inputs and outputs, each {name: value}.
    """
    for place in places:
        record = load_json(place)
        if (isinstance(record, dict)
                and all(isinstance(record.get(name), dict) for name in ('arguments', 'inputs', 'outputs'))
                and digest_of_file in record['outputs'].values()):
            return record
    return None


def check_impressions(impressions, teacher):
    """Raises RunError where a record says that impressions are not of the student's teacher.

    Impressions without a record of their own are taken with a notice.
    """
    path = impressions.path
    record = record_of(impressions.digest, [record_of_impressions(path)])
    made_of = record and record['inputs'].get('teacher')
    if made_of is None:
        print('%r has no record that says which teacher it was made from; taken as it is' % path)
        return
    if made_of != teacher.digest:
        raise RunError('%r was made from another teacher than %r; make it again, or give its own teacher'
                       % (path, teacher.path))
    options = TeacherOptions.of(Namespace(**record['arguments']))
    then, now = options.flags(), teacher.options.flags()
    if then != now:
        raise RunError('%r was made with %s; make it again, or give the same flags'
                       % (path, differences(then, now)))


def made_with(impressions):
    """{setting: value} of a synthesis of impressions and its seed, as their record says; {} without one."""
    record = record_of(impressions.digest, [record_of_impressions(impressions.path)])
    arguments = {**OFF, **record['arguments']} if record else {}
    return {name: value for name, value in arguments.items() if name in SYNTHESIS or name == 'seed'}


def check_network(network, dataset, any_teacher, holdout=0):
    """Raises RunError where a network has other classes than ``dataset``, or was trained on other data.

    any_teacher: of other data only print a line. holdout: the number of images held out for evaluation;
    another line names a network that was trained on some of them.
    """
    if network.classes != dataset.classes:
        raise RunError('%r knows %d classes and the data set %s has %d; give a network of its '
                       'classes, class_names for all of them in the data set, or, for ZSKD without data, '
                       '--dataset none'
                       % (network.path, network.classes, dataset.name, dataset.classes))
    record = record_of(network.digest, records_of_weights(network.path))
    trained_on = record and record['inputs'].get('dataset')
    if trained_on is None:
        return
    if trained_on != dataset.digest:
        message = ('%r was trained on %s, not on %s'
                   % (network.path, record['arguments'].get('dataset', 'other data'), dataset.name))
        if not any_teacher:
            raise RunError(message + '; give another network, or --any_teacher to take it all the same')
        print(message)
        return
    unseen = record['arguments'].get('holdout', 0)
    if isinstance(unseen, int) and holdout > unseen:
        print('%r has seen held-out images: it was trained with --holdout %d' % (network.path, unseen))
