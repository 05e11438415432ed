"""Versions and version ranges, implemented from semver.org 2.0.0 and docs/spec.md."""

import re

VERSION = re.compile(
    r"v?(0|[1-9]\d*)(?:\.(0|[1-9]\d*))?(?:\.(0|[1-9]\d*))?"
    r"(?:-((?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)(?:\.(?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*))*))?"
    r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?", re.A)


def read(text):
    """The numbers of a version and its sort key; None if it is not a version."""
    match = VERSION.fullmatch(text)
    if not match:
        return None
    *numbers, pre = match.groups()
    given = [int(number) for number in numbers if number is not None]
    return given, key(given, pre)


def key(numbers, pre):
    numbers = numbers + [0] * (3 - len(numbers))
    if not pre:
        return numbers, 1, []
    parts = [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in pre.split(".")]
    return numbers, 0, parts


def contains(text, value):
    version = read(value)
    if version is None:
        return False
    words = re.findall(r"([<>=^~]*)\s*([^\s,<>=^~]+)", text)
    return all(allows(operator, *read(bound), version[1]) for operator, bound in words)


def allows(operator, given, bound, version):
    last = len(given) - 1

    def below(place):
        """The lowest version, with any pre-release, above all that agree up to an index."""
        return key(given[:place] + [given[place] + 1], "0")

    whole = len(given) == 3
    if operator == ">=":
        return version >= bound
    if operator == "<":
        return version < bound
    if operator == ">":
        return version > bound if whole else version >= key(given[:last] + [given[last] + 1], None)
    if operator == "<=":
        return version <= bound if whole else version < below(last)
    if operator in ("", "="):
        return version == bound if whole else bound <= version < below(last)
    if operator == "~":
        return bound <= version < below(min(last, 1))
    if operator == "^":
        first = next((at for at, number in enumerate(given) if number), last)
        return bound <= version < below(min(first, last))
    raise ValueError(f"{operator} compares no versions")
