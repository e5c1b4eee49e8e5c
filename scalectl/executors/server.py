"""Imported by the server that the processes of trials are forked from, and by nothing else."""

from scalectl.executors.orphans import die_with_parent

die_with_parent()

import torch  # noqa: E402 - takes seconds, in which the parent may die

# What torch loads with the first optimizer takes longer than many a trial: once is enough.
torch.optim.SGD([torch.zeros(1)])
