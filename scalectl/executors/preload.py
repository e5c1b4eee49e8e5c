"""Load torch in the server that the processes of trials are forked from; nothing else imports this."""

from scalectl.executors.parent_death import die_with_parent

die_with_parent()

import torch  # noqa: E402 - takes seconds, in which the parent may die

# What torch loads with the first optimizer takes longer than many a trial: once is enough.
torch.optim.SGD([torch.zeros(1)])
