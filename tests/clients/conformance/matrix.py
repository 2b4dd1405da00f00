"""The support matrix: what the suites found, as a table in the emulator's README, which a run holds to its findings."""

from . import results
from .suites import SUITES
from .world import ROOT

README = ROOT / "crates/iothub-emulator/README.md"
# The rows, in reading order.
AREAS = (
    "device identities",
    "module identities",
    "bulk registry",
    "statistics",
    "twins, by the service",
    "queries",
    "import and export jobs",
    "configurations",
    "device connections",
    "twins, by the device",
    "telemetry",
    "two hubs on one address",
    "events",
    "direct methods",
    "cloud-to-device messages",
    "file upload",
    "scheduled jobs",
    "digital twins",
    "AMQP of devices and services",
)
BEGIN, END = "<!-- conformance -->", "<!-- /conformance -->"


def hold(write):
    """Compares the table with the one in the README, or writes it there. The exit code."""
    before, shown, after = _split(README.read_text(encoding="utf-8"))
    found = "\n" + table({suite: results.read(suite) for suite in SUITES})
    if found == shown:
        return 0
    if write:
        README.write_text(before + found + after, encoding="utf-8")
        print(f"written: {README.relative_to(ROOT)}")
        return 0
    print(f"{README.relative_to(ROOT)} does not show what the suites found: tests/clients/run --write")
    return 1


def _split(text):
    before, begin, rest = text.partition(BEGIN)
    shown, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{README.relative_to(ROOT)} has no place for the matrix ({BEGIN} … {END})")
    return before + begin, shown, end + after


def table(found):
    """A row an area, a column a suite; below it what the clients are known to do otherwise."""
    stated = {fact["area"] for facts in found.values() for fact in facts}
    if unknown := stated.difference(AREAS):
        raise SystemExit(f"matrix.AREAS has no row for {', '.join(sorted(unknown))}")
    areas = [area for area in AREAS if area in stated]
    notes = Notes()
    heads = [f"{suite.client}, {suite.transport}" for suite in found]
    rows = [[area, *(_cell(area, facts, notes) for facts in found.values())] for area in areas]
    lines = [_row(["", *heads]), _row(["---"] * (len(heads) + 1)), *map(_row, rows)]
    return "\n".join([*lines, "", *notes.lines()]) + "\n"


def _cell(area, facts, notes):
    # By name: a test runner may run files side by side.
    concerned = sorted((fact for fact in facts if fact["area"] == area), key=results.sentence)
    holding = [fact for fact in concerned if not fact.get("refused") and not fact.get("difference")]
    words = [f"{len(holding)} pass"] if holding else []
    if any(fact.get("refused") for fact in concerned):
        words.append("refused")
    numbers = dict.fromkeys(notes.number(fact["difference"]) for fact in concerned if fact.get("difference"))
    if numbers:
        words.append("differs " + "".join(f"[{number}]" for number in numbers))
    return ", ".join(words) or "–"


def _row(cells):
    return f"| {' | '.join(cells)} |"


class Notes:
    """The known differences, numbered as they are met."""

    def __init__(self):
        self.texts = []

    def number(self, text):
        """The number of a difference; the same for all clients that share it."""
        if text not in self.texts:
            self.texts.append(text)
        return self.texts.index(text) + 1

    def lines(self):
        """One line a difference."""
        return [f"{number}. {text}" for number, text in enumerate(self.texts, 1)]
