"""The cores and GPUs that this process may use."""
import os
import subprocess

from loky import cpu_count

JOB_MEMORY = 8  # GiB of a GPU that a job may take


def available_cores():
    """How many processes of one thread this one may run at full speed, at least 1.

    It is what the machine, this process's affinity, the quota of its container, and Slurm all grant.
    """
    for name in ('SLURM_CPUS_PER_TASK', 'SLURM_CPUS_ON_NODE'):  # of the task, or else of the job on this node
        if os.environ.get(name, '').isdigit():
            return max(1, min(cpu_count(), int(os.environ[name])))
    return cpu_count()


def visible_gpus():
    """{name: GiB of memory} of the GPUs that this process may use.

    They are those that nvidia-smi lists, or those of them that CUDA_VISIBLE_DEVICES names.
    """
    try:
        done = subprocess.run(['nvidia-smi', '--query-gpu=index,uuid,memory.total',
                               '--format=csv,noheader,nounits'], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL)
    except OSError:
        return {}
    listed = '' if done.returncode else done.stdout.decode()  # without a driver it prints why
    memory = {}
    for index, uuid, mebibytes in (line.split(', ') for line in listed.splitlines()):
        # A GPU that shares the machine's memory may have none of its own to tell.
        memory[index] = memory[uuid] = int(mebibytes) / 1024 if mebibytes.isdigit() else JOB_MEMORY
    names = os.environ.get('CUDA_VISIBLE_DEVICES', ','.join(name for name in memory if name.isdigit()))
    return {name: memory.get(name, JOB_MEMORY) for name in names.split(',') if name.strip() not in ('', '-1')}


def gpu_slots():
    """The names of the GPUs in turn, each as often as its memory carries a job."""
    carried = {name: max(1, int(memory // JOB_MEMORY)) for name, memory in visible_gpus().items()}
    return [name for turn in range(max(carried.values(), default=0))
            for name, jobs in carried.items() if turn < jobs]


def jobs_at_a_time(device, threads):
    """How many jobs of so many threads run side by side at full speed, at least 1; device: 'cpu' or 'gpu'."""
    on_cores = max(1, available_cores() // threads)
    if device == 'cpu':
        return on_cores
    return max(1, min(on_cores, len(gpu_slots())))
