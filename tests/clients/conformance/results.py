"""What the suites found: one line of JSON a test, as its client reported it."""

import json

from .world import OUTPUT


def read(suite):
    """The suite's statements, in the order in which they were made; none when it never came so far."""
    file = OUTPUT / f"{suite.name}.ndjson"
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def sentence(fact):
    """What one test says."""
    return f"{fact['area']}: {fact['call']} {fact['service']} [{fact['source']}]"
