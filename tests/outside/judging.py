"""What a judge is: a function that is given a case, and fails when the server does."""

import subprocess

from common import program

JUDGES = []


class Missing(Exception):
    """A judge that cannot be had."""


def judge(says):
    """Makes a function a judge."""

    def made(function):
        function.says = says
        JUDGES.append(function)
        return function

    return made


def have(name):
    """A program, installed if need be."""
    found = program(name)
    if found is None:
        raise Missing(f"{name} cannot be had")
    return found


def ran(*command, status=0, **options):
    """Runs a command to its end; gives what it said."""
    done = subprocess.run([str(word) for word in command], capture_output=True, timeout=120, check=False, **options)
    said = done.stderr.decode(errors="replace")
    assert done.returncode == status, f"exit status {done.returncode}: {said.strip()[-300:]}"
    return done.stdout
