"""Recomputes every bucket, share and outcome of a ramp or a split that the vectors state, and every
token for overrides that they describe.

Run by `cargo xtask test` in its venv. Shares no code with serin-core: a mistake would have to
be made twice, in two languages, to go unseen.
"""

import json
import pathlib
import sys
import time

import override_token
from bucketing import bucket, in_ramp, share_at, split_choice, thousandths

VECTORS = pathlib.Path(__file__).resolve().parent.parent / "vectors"


def main():
    checked, wrong = 0, []
    for file in sorted(VECTORS.glob("*.json")):
        for suite in json.loads(file.read_text(encoding="utf-8"))["suites"]:
            for case in suite["cases"]:
                for where, problem in [*check_case(suite["spec"], case), *check_token(suite, case)]:
                    checked += 1
                    if problem:
                        wrong.append(f"{file.name} · {suite['name']} · {case['name']} · {where}: {problem}")
    for line in wrong:
        print(line)
    status = "FAILED" if wrong or not checked else "ok"
    print(f"test result: {status}. {checked - len(wrong)} passed; {len(wrong)} failed; 0 ignored (independent reference)")
    return 1 if status == "FAILED" else 0


def check_case(spec, case):
    expect, units = case["expect"], case.get("units", {})
    now = case.get("now", time.time() * 1000)
    rollout = expect.get("rollout")
    if rollout and "bucket" in rollout:
        declared = spec["rollouts"][rollout["name"]]
        yield "rollout", rollout_problem(declared, rollout, units, now)
    for name, flag in sorted(expect.get("flags", {}).items()):
        if "bucket" in flag:
            yield f"flag {name}", flag_problem(name, spec, flag, units, now)


def check_token(suite, case):
    """The token that is described must be the one in the request."""
    if "token" not in case:
        return
    wanted = override_token.token(case["token"], suite["overrideKeys"])
    request = case["request"]
    values = [request["path"], *(header[1] for header in request.get("headers", []) if isinstance(header, list))]
    found = any(wanted in value.replace("%2E", ".") for value in values)
    yield "token", None if found else f"the request does not carry {wanted}"


def rollout_problem(declared, stated, units, now):
    unit = unit_value(declared, units)
    salt = declared.get("salt", stated["name"])
    if "split" in declared:
        return split_problem(declared, bucket("split", salt, unit), stated, "arm")
    canary = declared["canary"]
    share = share_at(canary, now)
    others = [arm for arm in declared["arms"] if arm != declared["baseline"]]
    arm = canary.get("arm") or only(others)
    place = bucket("ramp", salt, unit)
    outcome = arm if in_ramp(place, share) else declared["baseline"]
    return differ(stated, {"bucket": place, "share": share, "arm": outcome})


def flag_problem(name, spec, stated, units, now):
    declared = spec["flags"][name]
    if "holdout" in stated:
        held = spec["holdouts"][stated["holdout"]]
        place = bucket("holdout", held.get("salt", stated["holdout"]), unit_value(held, units))
        share = thousandths(held["percent"])
        if not in_ramp(place, share):
            return f"bucket {place} is outside the holdout's {share}"
        return differ(stated, {"bucket": place, "share": share, "variant": declared["defaultVariant"]})
    rules = declared["rules"]
    rule = next(rule for at, rule in enumerate(rules) if rule.get("name", f"rules[{at}]") == stated["rule"])
    problem = layer_problem(spec, rule.get("layer"), units)
    if problem:
        return problem
    ramp = rule.get("ramp", {})
    settings = {**rule, **ramp}
    unit = unit_value(settings, units)
    salt = settings.get("salt", name)
    if ramp:
        place, share = bucket("ramp", salt, unit), share_at(ramp, now)
        if not in_ramp(place, share):
            return f"bucket {place} is outside the share {share}, so the rule cannot have served"
        return differ(stated, {"bucket": place, "share": share, "variant": ramp["variant"]})
    return split_problem(rule, bucket("split", salt, unit), stated, "variant")


def layer_problem(spec, part, units):
    """Whether the unit is outside the rule's part of a layer, so that the rule cannot have served."""
    if not part:
        return None
    layer = spec["layers"][part["name"]]
    place = bucket("layer", layer.get("salt", part["name"]), unit_value(layer, units))
    low, high = (thousandths(bound) for bound in part["range"])
    return None if low <= place < high else f"bucket {place} of the layer is outside {low} to {high}"


def unit_value(settings, units):
    """The unit's value; a spec with one unit need not name it."""
    value = units[settings.get("unit") or only(list(units))]
    if isinstance(value, str):
        return value
    return value["repeat"] * value["times"] + value.get("then", "")


def split_problem(declared, place, stated, what):
    choice, share = split_choice(place, declared["split"], declared.get("past", ()))
    return differ(stated, {"bucket": place, "share": share, what: choice})


def differ(stated, computed):
    wrong = [f"{key} is {stated.get(key)!r}, the reference says {value!r}"
             for key, value in computed.items() if stated.get(key) != value]
    return "; ".join(wrong)


def only(names):
    if len(names) != 1:
        raise ValueError(f"one name is meant, but there are {len(names)}: {names}")
    return names[0]


if __name__ == "__main__":
    sys.exit(main())
