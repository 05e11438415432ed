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


def signed(keys, cookie, value):
    """The cookie's value with the signature of the first of `keys`."""
    first = keys.split(",")[0].strip()
    secret = base64.urlsafe_b64decode(first + "=" * (-len(first) % 4))
    message = f"serin id\0{cookie}\0{value}".encode()
    return f"{value}.{hmac.new(secret, message, hashlib.sha256).hexdigest()[:24]}"
