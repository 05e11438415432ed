"""hashVersion 1 once more, from its description and not from the Rust code.

XXH3-64 with a seed for each purpose over `length(salt) salt length(unit) unit`, lengths as
32-bit little-endian numbers of UTF-8 bytes; the bucket is the high 64 bits of hash * 100000.
"""

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
    """A share in steps of 0.001 %, exact for the decimals a spec may hold."""
    from decimal import Decimal

    value = Decimal(str(percent)) * 1000
    if value != int(value):
        raise ValueError(f"{percent} % is finer than 0.001 %")
    return int(value)


def in_ramp(place, share):
    return place < share


def split_choice(place, weights):
    """Half-open ranges in the order of the names; weights in per cent."""
    low = 0
    for name in sorted(weights, key=lambda text: text.encode("utf-8")):
        high = low + thousandths(weights[name])
        if low <= place < high:
            return name, high - low
        low = high
    raise ValueError("the weights do not sum to 100")
