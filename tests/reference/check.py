"""Decides every case of the vectors again and compares: which rollout and arm, which variant of each
flag, why, by which bucket, whether a copy goes to a shadow; and makes every token for overrides again.

Run by `cargo xtask test` in its venv, over `tests/vectors` and over cases made by chance. Shares no
code with serin-core: a mistake would have to be made twice, in two languages, to go unseen.

    check.py [FILE …]
"""

import json
import pathlib
import sys

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
                          for line in [*problems(suite["spec"], case), *token_problems(suite, case)]]
    for line in wrong:
        print(line)
    status = "FAILED" if wrong or not checked else "ok"
    passed = max(checked - len(wrong), 0)
    print(f"test result: {status}. {passed} passed; {len(wrong)} failed; 0 ignored (independent reference)")
    return 1 if status == "FAILED" else 0


def problems(spec, case):
    """A line for each part of the decision that the case states otherwise."""
    if spec.get("isolation") == "flags":
        # What is a mistake is for the reader to say, and this reference reads good specs only.
        return
    rollout, flags = decide(spec, case)
    stated = case["expect"].get("flags", {})
    if rollout != case["expect"].get("rollout"):
        yield f"the rollout is {case['expect'].get('rollout')}, the reference says {rollout}"
    for name in sorted(flags.keys() | stated.keys()):
        if flags.get(name) != stated.get(name):
            yield f"flag {name} is {stated.get(name)}, the reference says {flags.get(name)}"


def token_problems(suite, case):
    """The token that is described must be the one in the request."""
    if "token" not in case:
        return
    wanted = override_token.token(case["token"], suite["overrideKeys"])
    request = case["request"]
    values = [request["path"], *(header[1] for header in request.get("headers", []) if isinstance(header, list))]
    if not any(wanted in value.replace("%2E", ".") for value in values):
        yield f"the request does not carry {wanted}"


if __name__ == "__main__":
    sys.exit(main())
