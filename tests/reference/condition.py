"""Conditions, implemented from the tables of docs/spec.md."""

import datetime
import ipaddress
import re
from decimal import Decimal

import semver
from request import host_name, normalised, respelt, without_dots


def holds(condition, world):
    if "all" in condition:
        return all(holds(part, world) for part in condition["all"])
    if "any" in condition:
        return any(holds(part, world) for part in condition["any"])
    if "not" in condition:
        return not holds(condition["not"], world)
    if "cohort" in condition:
        return holds(world.spec["cohorts"][condition["cohort"]], world)
    operators = {key: operand for key, operand in condition.items() if key != "attribute"}
    if condition["attribute"] == "time":
        return all(holds_time(*operator, world.request.now) for operator in operators.items())
    name = condition["attribute"]
    value = attribute(name, world)
    return all(passes(key, spelt(name, key, operand), value) for key, operand in operators.items())


def spelt(name, operator, operand):
    """The operand as values of the attribute are spelt."""
    if isinstance(operand, list):
        return [spelt(name, operator, one) for one in operand]
    part = {"equals": "whole", "in": "whole", "prefix": "start", "suffix": "end", "contains": "middle"}.get(operator)
    if not isinstance(operand, str) or not (part or operator == "glob") or name not in ("path", "host", "ip"):
        return operand
    if part:
        return spelt_part(name, part, operand)
    pieces = re.findall(r"[*?]|(?:[^*?\\]|\\.)+", operand, re.S)
    ends = 0, len(pieces) - 1
    out = ""
    for at, piece in enumerate(pieces):
        part = {(True, True): "whole", (True, False): "start", (False, True): "end"}.get(
            (at == ends[0], at == ends[1]), "middle")
        literal = re.sub(r"\\(.)", r"\1", piece, flags=re.S)
        out += piece if piece in "*?" else re.sub(r"([*?\\])", r"\\\1", spelt_part(name, part, literal))
    return out


def spelt_part(name, part, text):
    if name == "path":
        if part == "whole":
            return normalised(text)
        head, slash, last = respelt(text).rpartition("/")
        return without_dots(head + slash) + last if part == "start" else head + slash + last
    if name == "ip" and part == "whole":
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return text.lower()
        return str(getattr(address, "ipv4_mapped", None) or address)
    if name == "host" and part == "whole":
        return host_name(text)
    is_rooted = name == "host" and part == "end" and text.endswith(".") and text != "."
    return text[:-1].lower() if is_rooted else text.lower()


def attribute(name, world):
    family, _, key = name.partition(".")
    request = world.request
    readers = {
        "header": request.header,
        "cookie": request.cookies.get,
        "query": request.query.get,
        "jwt": request.claim,
        "unit": world.unit,
        "path": lambda _: request.path or None,
        "host": lambda _: request.host or None,
        "method": lambda _: request.method or None,
        "ip": lambda _: request.address(),
    }
    if family not in readers:
        return request.case.get("cf", {}).get(family) or None
    return readers[family](key)


def holds_time(operator, operand, now):
    if operator == "exists":
        return operand
    return now < moment(operand) if operator == "before" else now >= moment(operand)


def passes(operator, operand, value):
    if value is None:
        return operator == "exists" and operand is False
    operands = operand if isinstance(operand, list) else [operand]
    tests = {
        "exists": lambda: operand,
        "equals": lambda: equals(operand, value),
        "in": lambda: any(equals(one, value) for one in operands),
        "prefix": lambda: any(value.startswith(part) for part in operands),
        "suffix": lambda: any(value.endswith(part) for part in operands),
        "contains": lambda: any(part in value for part in operands),
        "glob": lambda: any(re.fullmatch(glob(one), value, re.S) for one in operands),
        "cidr": lambda: any(within(value, network) for network in operands),
        "semver": lambda: any(semver.contains(one, value) for one in operands),
        "lt": lambda: compares(value, lambda number: number < bound(operand)),
        "lte": lambda: compares(value, lambda number: number <= bound(operand)),
        "gt": lambda: compares(value, lambda number: number > bound(operand)),
        "gte": lambda: compares(value, lambda number: number >= bound(operand)),
        "before": lambda: (at := moment(value)) is not None and at < moment(operand),
        "after": lambda: (at := moment(value)) is not None and at >= moment(operand),
    }
    return bool(tests[operator]())


def equals(wanted, value):
    if isinstance(wanted, bool):
        return value == ("true" if wanted else "false")
    if isinstance(wanted, (int, float)):
        return compares(value, lambda number: number == bound(wanted))
    return value == wanted


def decimal(value):
    """A number as JSON writes it, at most 1,024 bytes and nine digits of exponent; or None."""
    plain = re.fullmatch(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?0*[0-9]{1,9})?", value)
    return Decimal(value) if plain and len(value) <= 1024 else None


def bound(operand):
    """A number of a spec, which is the nearest double if no double holds it."""
    return decimal(str(operand if abs(operand) <= 2**53 else float(operand)))


def compares(value, test):
    number = decimal(value)
    return number is not None and test(number)


def moment(value):
    """Milliseconds since 1970, or None: RFC 3339, or a date, which is its midnight in UTC."""
    parts = re.fullmatch(
        r"(\d{4}-\d\d-\d\d)(?:[Tt](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d))?", value, re.A)
    if not parts:
        return None
    day, clock, fraction, offset = parts.groups()
    offset = "+00:00" if offset in (None, "Z", "z") else offset
    try:
        whole = datetime.datetime.fromisoformat(f"{day}T{clock or '00:00:00'}{offset}").timestamp()
    except ValueError:
        return None
    found = int(whole) * 1000 + int(((fraction or "") + "000")[:3])
    return found if found >= 0 else None


def glob(pattern):
    out, chars = "", iter(pattern)
    for char in chars:
        out += {"*": ".*", "?": "."}.get(char) or re.escape(next(chars) if char == "\\" else char)
    return out


def within(value, network):
    port = re.fullmatch(r"\[(.*)\](?::\d+)?|([^:]*):\d+", value, re.A)
    try:
        address = ipaddress.ip_address((port.group(1) or port.group(2)) if port else value)
    except ValueError:
        return False
    network = ipaddress.ip_network(network, strict=False)
    address = getattr(address, "ipv4_mapped", None) or address
    return address.version == network.version and address in network
