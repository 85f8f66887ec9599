"""What this machine grants a process: cores and GPUs."""
import math
import os
import subprocess


def available_cores(environment=os.environ, cgroups='/proc/self/cgroup', mounted='/sys/fs/cgroup'):
    """How many processes of one thread this one may run at full speed, at least 1.

    It is what the machine, this process's affinity, Slurm and the quota of its container (cgroup 1 or 2) all
    grant. A quota of 1.5 cores counts as 2.

    cgroups: the file that names the groups of this process; mounted: the folder that they are mounted at.
    """
    grants = [len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1]
    for name in ('SLURM_CPUS_PER_TASK', 'SLURM_CPUS_ON_NODE'):  # of the task, or else of the job on this node
        if environment.get(name, '').isdigit():
            grants.append(int(environment[name]))
            break
    grants += [math.ceil(quota) for quota in quotas(cgroups, mounted)]
    return max(1, min(grants))


def visible_gpus(environment=os.environ):
    """The names of the GPUs that this process may use.

    They are those of CUDA_VISIBLE_DEVICES, or else those that nvidia-smi lists.
    """
    if 'CUDA_VISIBLE_DEVICES' in environment:
        names = environment['CUDA_VISIBLE_DEVICES'].split(',')
        return [name for name in names if name.strip() not in ('', '-1')]
    try:
        listed = subprocess.run(['nvidia-smi', '--list-gpus'], stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL)
    except OSError:
        return []
    return [str(number) for number, _ in enumerate(listed.stdout.splitlines())]


def quotas(cgroups, mounted):
    """The quotas, in cores, of the groups that a process is in and of those around them."""
    for group in read_lines(cgroups):
        _, controllers, path = group.split(':', 2)
        if controllers and 'cpu' not in controllers.split(','):
            continue
        path = path.strip('/').split('/')
        for depth in range(len(path) + 1):  # a container may see its own group as the outermost
            folder = os.path.join(mounted, 'cpu' if controllers else '', *path[:depth])
            names = ['cpu.cfs_quota_us', 'cpu.cfs_period_us'] if controllers else ['cpu.max']
            lines = [line for name in names for line in read_lines(os.path.join(folder, name))]
            words = ' '.join(lines).split()
            if len(words) == 2 and all(word.isdigit() for word in words) and int(words[1]):
                yield int(words[0]) / int(words[1])


def read_lines(path):
    """The lines of a small file; none if it cannot be read."""
    try:
        with open(path) as file:
            return file.read().split('\n')[:-1]
    except OSError:
        return []
