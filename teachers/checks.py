"""A look at a teacher before hours are spent on its students."""
import numpy as np

from utils.files import RunError

LOOKED_AT = 1000  # images
NOISE = 64  # images
# On noise, black and white the answers of teachers on their own scale differ from image to image by 0.38 to
# 0.72 of their size, which is 1 to 7. On a scale 255 times too small they differ by 0.001 to 0.007, on one
# 255 times too large their size is 240 to 1,600. No such measure was found that tells 0..1 from -1..1, or
# channels first from channels last.
LEAST_DIFFERENCE = 0.03
LARGEST_LOGITS = 60
LEAST_LOGITS = 1e-3
FEW_CLASSES, FOR_EACH = 10, 60  # those of known data sets, and their impressions for each class at rate 1


def print_accuracy(teacher, images, labels, name, threads, device):
    """Prints how often a teacher is right about LOOKED_AT of the images.

    Where that is near chance, a warning follows.

    images uint8 [N, H, W, C] in 0..255, labels [N]; name: what the images are.
    """
    some = np.linspace(0, len(images) - 1, min(LOOKED_AT, len(images))).astype(int)
    accuracy = np.mean(teacher.answers(images[some], threads, device).argmax(axis=1) == labels[some])
    print('the teacher %r is right about %.1f %% of %d %s' % (teacher.path, 100 * accuracy, len(some), name))
    if accuracy < near_chance(teacher.classes):
        print('warning: that is near chance; was it trained on other data or with its classes in another '
              'order, is --teacher_scale right, and is its first dense layer for images flattened as height, '
              'width, channel?')


def print_number(size, classes):
    """Prints what a user should know of so many impressions for so many classes."""
    if classes == 2:
        print('of two classes none is more alike than another, so every target is one class alone')
    if size < classes:
        print('warning: %d impressions are fewer than the %d classes, so some have none; choose a larger '
              '--Rate' % (size, classes))
    elif classes > FEW_CLASSES and size < FOR_EACH * classes:
        print('%d impressions are %d for each class; %d times the --Rate gives each as many as ten classes '
              'have at rate 1' % (size, size // classes, np.ceil(FOR_EACH * classes / size)))


def print_targets_met(met, classes):
    """Prints what to try where impressions did not become what they should; met: the share that did."""
    if met < near_chance(classes):
        print('warning: that is near chance, so these impressions teach nothing; does the teacher need '
              '--teacher_scale, or --teacher_mean and --teacher_std?')
    elif met < 0.5:
        print('fewer than half became what they should%s; try more --iterations, and see whether the teacher '
              'needs --teacher_scale, --teacher_mean or --teacher_std'
              % (', as is usual of many classes' if classes > FEW_CLASSES else ''))


def near_chance(classes):
    """The share of right answers below which a network may know nothing.

    It is half above chance, or a tenth above it.
    """
    return min(1.5 / classes, 1 / classes + 0.1)


def check_logits(teacher, logits, images):
    """Prints a warning where a teacher's logits [N, classes] hardly differ between classes.

    images: what it answers, in words. Raises RunError where some logits are NaN or infinite.
    """
    if not np.isfinite(logits).all():
        raise RunError('the teacher %r answers %s with NaN or infinite logits; check --teacher_scale (now %g '
                       '%g), or give another teacher' % ((teacher.path, images) + teacher.options.scale))
    size = logits.std(axis=1).mean()
    if size < LEAST_LOGITS:
        print('warning: the teacher %r answers %s with logits that differ by %.1g between classes; it '
              'teaches hardly anything' % (teacher.path, images, size))


def warn_of_pixel_scale(teacher, threads, device):
    """Prints a warning where answers to noise, black and white say that the pixel scale is far off."""
    shape = tuple(teacher.image_shape)
    images = np.random.RandomState(0).randint(0, 256, (NOISE + 2,) + shape).astype(np.uint8)
    images[0], images[1] = 0, 255
    logits = teacher.answers(images, threads, device)
    check_logits(teacher, logits, 'noise')
    logits = teacher.unit * logits
    size, difference = logits.std(axis=1).mean(), logits.std(axis=0).mean()
    if size > LARGEST_LOGITS:
        print('warning: the teacher %r answers noise with logits of %.0f; --teacher_scale (now %g %g) may be '
              'too large' % ((teacher.path, size) + teacher.options.scale))
    elif difference < LEAST_DIFFERENCE * size:
        print('warning: the teacher %r answers noise, black and white nearly alike; --teacher_scale (now %g '
              '%g) may be too small: a network of bytes takes 0 255'
              % ((teacher.path,) + teacher.options.scale))
