"""What this machine grants a process: cores and GPUs."""
import os
import subprocess

from loky import cpu_count


def available_cores():
    """How many processes of one thread this one may run at full speed, at least 1.

    It is what the machine, this process's affinity, the quota of its container, and Slurm all grant.
    """
    for name in ('SLURM_CPUS_PER_TASK', 'SLURM_CPUS_ON_NODE'):  # of the task, or else of the job on this node
        if os.environ.get(name, '').isdigit():
            return max(1, min(cpu_count(), int(os.environ[name])))
    return cpu_count()


def visible_gpus():
    """The names of the GPUs that this process may use.

    They are those of CUDA_VISIBLE_DEVICES, or else those that nvidia-smi lists.
    """
    if 'CUDA_VISIBLE_DEVICES' in os.environ:
        names = os.environ['CUDA_VISIBLE_DEVICES'].split(',')
        return [name for name in names if name.strip() not in ('', '-1')]
    try:
        listed = subprocess.run(['nvidia-smi', '--list-gpus'], stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL)
    except OSError:
        return []
    return [str(number) for number, _ in enumerate(listed.stdout.splitlines())]
