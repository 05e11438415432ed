"""Anonymous ids and their signatures, implemented from docs/gates.md."""

import base64
import hashlib
import hmac
import re

SIGNED = re.compile(r"([0-9a-f]{32})\.[0-9a-f]{24}", re.ASCII)


def of_cookie(value):
    """The id of a cookie's value, with or without a signature."""
    signed = SIGNED.fullmatch(value)
    return signed[1] if signed else value


def carried(keys, cookie, lines):
    """The id of a cookie that another host has minted: of the request's only field x-serin-id, if one of `keys` signed it."""
    if not keys or len(lines) != 1 or "," in lines[0]:
        return None
    pairs = [pair.strip().partition("=") for pair in lines[0].split(";")]
    value = next((value for name, _, value in pairs if name == cookie), "")
    found = SIGNED.fullmatch(value)
    valid = found and any(value == signed(key, cookie, found[1]) for key in keys.split(","))
    return found[1] if valid else None


def signed(keys, cookie, value):
    """The cookie's value with the signature of the first of `keys`."""
    first = keys.split(",")[0].strip()
    secret = base64.urlsafe_b64decode(first + "=" * (-len(first) % 4))
    message = f"serin id\0{cookie}\0{value}".encode()
    return f"{value}.{hmac.new(secret, message, hashlib.sha256).hexdigest()[:24]}"
