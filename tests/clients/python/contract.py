"""One statement of the contract: which call, what the service is known to do, and how that is known."""

import functools
import itertools
import json
import os

WORLD = json.loads(os.environ["CONFORMANCE_WORLD"])
_made = itertools.count(1)


def fact(*, area, call, service, source, difference=None, refused=False):
    """A test that says what it holds the emulator to.

    `source` uses the tags of the contract's legend (tests/clients/README.md); `difference` says what this client is known to do
    otherwise than the others; `refused` marks what the emulator does not do and says so by name.
    """
    said = {"area": area, "call": call, "service": service, "source": source, "refused": refused}
    if difference:
        said["difference"] = difference

    def wrap(test):
        @functools.wraps(test)
        def run(self):
            try:
                test(self)
            except BaseException:
                _record(said, False)
                raise
            _record(said, True)

        run.__doc__ = f"{area}: {call} {service} [{source}]"
        return run

    return wrap


def _record(said, passed):
    with open(os.environ["CONFORMANCE_RESULTS"], "a", encoding="utf-8") as results:
        results.write(json.dumps({**said, "ok": passed}) + "\n")


def unique(name):
    """A device id no other test uses."""
    return f"{name}-{os.getpid()}-{next(_made)}"
