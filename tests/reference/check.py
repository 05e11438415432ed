"""Decides every case of the vectors with an independent implementation and compares: rollout and arm, the
variant of each flag, reasons, buckets, shadow copies, and the override tokens.

Run by `cargo xtask test` in its venv, over `tests/vectors` and over random cases. It shares no
code with serin-core, so an error goes unnoticed only if both implementations have it.

    check.py [FILE …]
"""

import json
import pathlib
import sys

import anonymous_id
import override_token
from decide import decide

VECTORS = pathlib.Path(__file__).resolve().parent.parent / "vectors"


def main():
    checked, wrong = 0, []
    files = [pathlib.Path(name) for name in sys.argv[1:]] or sorted(VECTORS.glob("*.json"))
    for file in files:
        for suite in json.loads(file.read_text(encoding="utf-8"))["suites"]:
            for case in suite["cases"]:
                checked += 1
                wrong += [f"{file.name} · {suite['name']} · {case['name']} · {line}"
                          for line in [*problems(suite, case), *token_problems(suite, case),
                                       *cookie_problems(suite, case)]]
    for line in wrong:
        print(line)
    status = "FAILED" if wrong or not checked else "ok"
    passed = max(checked - len(wrong), 0)
    print(f"test result: {status}. {passed} passed; {len(wrong)} failed; 0 ignored (independent reference)")
    return 1 if status == "FAILED" else 0


def problems(suite, case):
    """A line for each part of the decision that differs from the case."""
    spec = suite["spec"]
    if spec.get("isolation") == "flags":
        # The reference reads valid specs only; the reader decides what is isolated.
        return
    rollout, flags = decide(spec, case, suite.get("idKeys"))
    stated = case["expect"].get("flags", {})
    if rollout != case["expect"].get("rollout"):
        yield f"the rollout is {case['expect'].get('rollout')}, the reference says {rollout}"
    for name in sorted(flags.keys() | stated.keys()):
        if flags.get(name) != stated.get(name):
            yield f"flag {name} is {stated.get(name)}, the reference says {flags.get(name)}"


def cookie_problems(suite, case):
    """A line for each stated cookie of a new id that has not the signature of the suite's first key."""
    minted = case.get("entropy")
    for line in case["expect"].get("setCookie", []):
        name, _, value = line.partition(";")[0].partition("=")
        if "idKeys" not in suite or not value.startswith(f"{minted}."):
            continue
        if value != anonymous_id.signed(suite["idKeys"], name, minted):
            yield f"the cookie {name} has another signature than {anonymous_id.signed(suite['idKeys'], name, minted)}"


def token_problems(suite, case):
    """A line if the request does not carry the described token."""
    if "token" not in case:
        return
    wanted = override_token.token(case["token"], suite["overrideKeys"])
    request = case["request"]
    values = [request["path"], *(header[1] for header in request.get("headers", []) if isinstance(header, list))]
    if not any(wanted in value.replace("%2E", ".") for value in values):
        yield f"the request does not carry {wanted}"


if __name__ == "__main__":
    sys.exit(main())
