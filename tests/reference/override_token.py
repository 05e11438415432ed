"""Override tokens, a second implementation: RFC 7515's compact form with Python's hmac and hashlib.

A token is described by `key` (an id of the suite's keys) or `secret` (base64url, for keys that the
host does not have), and either `claims` (an object) or `payload` (a text that is signed as it is).
`header` adds to or replaces `{"alg": "HS256", "kid": KEY}`; a null takes a field away.
"""

import base64
import hashlib
import hmac
import json

HASHES = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def secret(described, keys):
    if "secret" in described:
        return decode(described["secret"])
    held = keys[described["key"]]
    return decode(held if isinstance(held, str) else held["secret"])


def token(described, keys):
    header = {"alg": "HS256", "kid": described.get("key"), **described.get("header", {})}
    header = {name: value for name, value in header.items() if value is not None}
    payload = described["payload"].encode("utf-8") if "payload" in described else compact(described["claims"])
    signed = f"{encode(compact(header))}.{encode(payload)}"
    algorithm = header.get("alg", "HS256")
    if algorithm == "none":
        return f"{signed}."
    code = hmac.new(secret(described, keys), signed.encode("ascii"), HASHES.get(algorithm, hashlib.sha256))
    return f"{signed}.{encode(code.digest())}"
