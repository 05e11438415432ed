"""A second implementation of hashVersion 1, from its description and not from the Rust code.

The hash is XXH3-64 with a seed for each purpose over `length(salt) salt length(unit) unit`, lengths as
32-bit little-endian numbers of UTF-8 bytes; the bucket is the high 64 bits of hash * 100000.
"""

import datetime
import functools
import re
import struct

import xxhash

BUCKETS = 100_000
SEEDS = {"ramp": 1, "split": 2, "layer": 3, "holdout": 4, "shadow": 5}


def hash64(purpose, salt, unit):
    salt, unit = salt.encode("utf-8"), unit.encode("utf-8")
    message = struct.pack("<I", len(salt)) + salt + struct.pack("<I", len(unit)) + unit
    return xxhash.xxh3_64_intdigest(message, seed=SEEDS[purpose])


def bucket(purpose, salt, unit):
    return (hash64(purpose, salt, unit) * BUCKETS) >> 64


def thousandths(percent):
    """A share in units of 0.001 %, exact for every decimal of a spec."""
    from decimal import Decimal

    value = Decimal(str(percent)) * 1000
    if value != int(value):
        raise ValueError(f"{percent} % is finer than 0.001 %")
    return int(value)


def in_ramp(place, share):
    return place < share


def split_choice(place, weights, past=()):
    """The owner of a bucket and its weight. Weights are in per cent; `past` holds previous ones."""
    owner = owners([*past, weights])[place]
    return owner, thousandths(weights[owner])


def owners(edits):
    return owners_of(tuple(tuple(weights.items()) for weights in edits))


@functools.lru_cache(maxsize=64)
def owners_of(edits):
    """The owner of each of the 100,000 buckets after a list of weights.

    The first weights distribute buckets in the order of the names. Each edit takes the last buckets of an
    owner that shrinks and gives them, those of the first owner first, to owners that grow.
    """
    by_name = lambda weights: sorted(weights, key=lambda text: text.encode("utf-8"))
    first, *later = map(dict, edits)
    held = {}
    place = 0
    for name in by_name(first):
        count = thousandths(first[name])
        held[name] = list(range(place, place + count))
        place += count
    if place != BUCKETS:
        raise ValueError("the weights do not sum to 100")
    for weights in later:
        free = []
        for name in by_name(held):
            count = thousandths(weights.get(name, 0))
            free += held[name][count:]
            held[name] = held[name][:count]
        for name in by_name(weights):
            missing = thousandths(weights[name]) - len(held.get(name, []))
            if missing > 0:
                held[name] = sorted(held.get(name, []) + free[:missing])
                free = free[missing:]
    return {bucket: name for name, buckets in held.items() for bucket in buckets}


SPANS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}


def span_ms(text):
    """A duration such as `1h30m` in milliseconds."""
    return sum(int(number) * SPANS[unit] for number, unit in re.findall(r"(\d+)(ms|[dhms])", text))


def share_at(progress, now, left=None, held=None):
    """The share in force, in units of 0.001 %: fixed, or that of the last step that has started. `left` holds
    the times at which gates ended steps, `held` the step that they hold."""
    if "steps" not in progress:
        return thousandths(progress.get("share", 0))
    start = progress.get("start")
    begins = datetime.datetime.fromisoformat(start).timestamp() * 1000 if start else 0
    share = 0
    for index, step in enumerate(progress["steps"]):
        if now < begins:
            break
        share = thousandths(step["share"])
        hold = step.get("hold", "manual")
        if hold == "manual":
            break
        begins += span_ms(hold)
        if left and index in left:
            begins = max(begins, left[index])
        elif step.get("mode") == "gate" or held == index:
            break
    return share
