"""Imported by the server that the processes of trials are forked from, and by nothing else."""

from scalectl.executors.orphans import die_with_parent

die_with_parent()
