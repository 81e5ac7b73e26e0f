"""What the process says to whoever started it, in one number.

Owns the exit codes of the command line; scripts and supervisors rely on them, so a number never changes its meaning.
"""

import enum


class ExitCode(enum.IntEnum):
    DONE = 0
    ERROR = 1
    USAGE = 2  # the command line is wrong; nothing was tried
    UNREACHABLE = 3  # the node did not answer
    REFUSED = 4  # it would not have been safe
    UNHEALTHY = 5  # it works, but something is wrong with the cluster
    CORRUPT = 6  # durable bytes are damaged, or do not keep the promises
    FENCED = 7  # another node leads with a higher epoch
    DISK = 8  # a write or a sync failed, or there is no space
