"""Replace this process by a command that dies when its parent dies, optionally as another account.

Run as a script by `program.Process`: `python -I -S tether.py PARENT SIGNAL UID GID COMMAND...` (UID -1: keep the account).
A script between fork and exec, because `preexec_fn` is not safe in a process with threads. It only works on Linux
(PR_SET_PDEATHSIG); elsewhere `program.recover` ends, at the next start, what a killed parent left running.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
"""From Linux's <sys/prctl.h>."""


def main(arguments: list[str]) -> None:
    """Drop privileges, bind this process's life to the parent's, and exec the command."""
    parent, death_signal, uid, gid = (int(argument) for argument in arguments[:4])
    command = arguments[4:]
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    # After the change of account: the kernel clears the setting when credentials change.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the process that started this one is gone")
    try:
        os.execvp(command[0], command)  # noqa: S606 - the command comes from our own code
    except OSError as error:
        sys.exit(f"cannot run {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
