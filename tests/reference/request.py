"""A second reader of requests, from docs/spec.md: fields, cookies, query, path, host."""

import base64
import ipaddress
import re
from urllib.parse import unquote_to_bytes

UNRESERVED = set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
PLAIN = set(range(0x21, 0x7F)) - set(b"\"<>`{}^")
MISSING = None


class Request:
    """The attributes of a request. A missing one, or one that is not UTF-8, is None."""

    def __init__(self, case):
        request = case["request"]
        self.case = case
        self.method = request.get("method", "GET")
        self.host = host(request.get("authority", "shop.example.com"))
        target = request["path"].split("#", 1)[0]
        path, _, query = target.partition("?")
        self.path = normalised(path)
        self.now = case.get("now")
        self.fields = {}
        self.cookies = {}
        for name, value in map(field, request.get("headers", [])):
            self.fields.setdefault(name, []).append(value)
            if name == "cookie":
                self.read_cookies(value)
        self.query = {}
        for pair in filter(None, query.split("&")):
            name, _, value = pair.partition("=")
            name = decoded(name)
            if name is not None:
                self.query.setdefault(name, decoded(value))

    def read_cookies(self, value):
        for part in value.split(b";"):
            name, mark, value = part.partition(b"=")
            if mark:
                self.cookies.setdefault(text(name.strip(b" \t\r\n\f")), text(value.strip(b" \t\r\n\f")))

    def header(self, name):
        lines = self.fields.get(name.lower())
        if lines is None or any(text(line) is None for line in lines):
            return MISSING
        return ("; " if name.lower() == "cookie" else ", ").join(map(text, lines))

    def claim(self, name):
        value = self.case.get("jwt", {}).get(name)
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, (int, float, str)):
            return str(value) or MISSING
        return MISSING

    def address(self):
        address = ipaddress.ip_address(self.case.get("ip", "192.0.2.1"))
        return str(getattr(address, "ipv4_mapped", None) or address)


def field(header):
    if isinstance(header, list):
        name, value = header[0], header[1].strip().encode("utf-8")
    elif "base64" in header:
        name, value = header["name"], base64.b64decode(header["base64"])
    else:
        name = header["name"]
        value = (header["repeat"] * header["times"] + header.get("then", "")).encode("utf-8")
    return name.lower(), value


def text(value):
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return MISSING


def decoded(value):
    return text(unquote_to_bytes(value.replace("+", " ")))


def host(authority):
    match = re.match(r"(\[[^]]*\])?([^:]*)", authority)
    return host_name((match.group(1) or "") + match.group(2))


def host_name(bare):
    """In lower case, without the root's dot; an IPv6 address as RFC 5952 has it, without dotted forms."""
    if bare.startswith("[") and bare.endswith("]"):
        try:
            address = ipaddress.IPv6Address(bare[1:-1])
        except ValueError:
            return bare.lower()
        mapped = address.ipv4_mapped
        high, low = divmod(int(mapped), 2**16) if mapped else (0, 0)
        return f"[::ffff:{high:x}:{low:x}]" if mapped else f"[{address.compressed}]"
    return (bare[:-1] if bare.endswith(".") and bare != "." else bare).lower()


def normalised(path):
    """RFC 3986, 6.2.2: unreserved escapes decoded, others in upper case, dot segments removed."""
    return without_dots(respelt(path))


def respelt(path):
    def respell(match):
        byte = int(match.group(1), 16) if match.group(1) else match.group(0)[0]
        if match.group(1):
            return bytes([byte]) if byte in UNRESERVED else b"%%%02X" % byte
        return bytes([byte]) if byte in PLAIN else b"%%%02X" % byte

    return re.sub(rb"%([0-9A-Fa-f]{2})|[\x00-\xff]", respell, path.encode("utf-8"), flags=re.S).decode()


def without_dots(path):
    if not path.startswith("/"):
        return path
    out, segments = [], path[1:].split("/")
    for at, segment in enumerate(segments):
        last = at == len(segments) - 1
        if segment == "..":
            out = out[:-1]
        if segment not in (".", ".."):
            out.append(segment)
        elif last:
            out.append("")
    return "/" + "/".join(out)
