"""A whole decision, implemented from docs/spec.md: rollout, arm, shadow, and every delivered flag. It
returns what a vector expects under `rollout` and `flags`."""

import json
import time

import anonymous_id
from bucketing import bucket, in_ramp, share_at, span_ms, split_choice, thousandths
from condition import holds
from request import Request, host_name, normalised


class World:
    """A spec and a request under it."""

    def __init__(self, spec, case, id_keys):
        self.spec = spec
        self.id_keys = id_keys
        self.case = case
        self.request = Request(case)
        for sources in spec.get("units", {}).values():
            for source in sources:
                cookie = source.get("anonymous")
                if self.request.cookies.get(cookie):
                    self.request.cookies[cookie] = anonymous_id.of_cookie(self.request.cookies[cookie])
        if self.request.now is None:
            self.request.now = time.time() * 1000

    def unit(self, name):
        for source in self.spec["units"][name]:
            (kind, key), = source.items()
            request = self.request
            if kind == "anonymous":
                value = request.cookies.get(key) or self.carried(key) or self.case.get("entropy")
            else:
                readers = {"jwt": request.claim, "header": request.header,
                           "cookie": request.cookies.get, "query": request.query.get}
                value = readers[kind](key)
            if value:
                return value
        return None

    def carried(self, cookie):
        """The id of a cookie that another host has minted for this request."""
        lines = [line.decode("utf-8", "replace") for line in self.request.fields.get("x-serin-id", [])]
        return anonymous_id.carried(self.id_keys, cookie, lines)

    def latch(self, rollout):
        """The latch of a rollout that the host knows."""
        known = self.case.get("latches", {}).get("latches", [])
        return next((latch for latch in known if latch["rollout"] == rollout), {})

    def forced(self, what, name):
        """The value that a valid token forces; the case states whether the token is valid."""
        if self.case["expect"].get("overrides") != "applied":
            return None
        token = self.case["token"]
        claims = token["claims"] if "claims" in token else json.loads(token["payload"])
        return claims.get(what, {}).get(name)

    def place(self, purpose, settings, salt):
        """The unit's name and bucket; None if the request has no unit."""
        name = settings.get("unit") or only(self.spec["units"])
        value = self.unit(name)
        if value is None:
            return None
        return name, bucket(purpose, settings.get("salt", salt), value)


def decide(spec, case, id_keys=None):
    world = World(spec, case, id_keys)
    flags = spec.get("flags", {})
    delivered = sorted(name for name, flag in flags.items() if is_delivered(flag, world.request.path))
    return rollout(world), {name: flag(world, name) for name in delivered}


def is_delivered(flag, path):
    patterns = flag.get("deliver", {}).get("paths")
    return patterns is None or any(specificity(pattern, path) for pattern in patterns)


def specificity(pattern, path):
    """The specificity of a path pattern that matches, greater is better; None if it does not match."""
    pattern = {"prefix": pattern} if isinstance(pattern, str) else pattern
    (kind, wanted), = pattern.items()
    wanted = normalised(wanted)
    if kind == "exact":
        return (1, 0) if path == wanted else None
    wanted = wanted.rstrip("/") if wanted != "/" else ""
    return (0, len(wanted)) if path == wanted or path.startswith(wanted + "/") else None


def host_specificity(pattern, host):
    if pattern.startswith("*."):
        below = host_name(pattern[2:])
        return (0, len(below)) if host.endswith("." + below) else None
    return (1, 0) if host == host_name(pattern) else None


def best(patterns, fits, any_of_them):
    """The best match among patterns; without patterns everything matches, with the lowest rank."""
    if patterns is None:
        return any_of_them
    return max((fit for fit in map(fits, patterns) if fit is not None), default=None)


def rollout(world):
    request, found = world.request, None
    for name, declared in world.spec.get("rollouts", {}).items():
        match = declared.get("match", {})
        host = best(match.get("hosts"), lambda one: host_specificity(one, request.host), (-1, 0))
        path = best(match.get("paths"), lambda one: specificity(one, request.path), (0, 0))
        if host is not None and path is not None and (found is None or (host, path) > found[0]):
            found = (host, path), name, declared
    if found is None:
        return None
    _, name, declared = found
    decided = {"name": name, **arm(world, name, declared)}
    aborted = is_aborted(world, name)
    shadowed = None if aborted else shadow(world, name, declared, decided["arm"])
    return {**decided, **({"shadow": shadowed} if shadowed else {})}


def is_aborted(world, name):
    """Whether an abort of this epoch, a later one, or a previous one within its cooldown is in force."""
    declared = world.spec["rollouts"][name]
    abort = world.latch(name).get("abort")
    if not abort:
        return False
    cooldown = span_ms(declared["cooldown"]) if "cooldown" in declared else 0
    cooling = cooldown > 0 and world.request.now < abort["at"] + cooldown
    return abort["epoch"] >= declared.get("epoch", 0) or cooling


def arm(world, name, declared):
    baseline = declared["baseline"]
    if is_aborted(world, name):
        return {"arm": baseline, "reason": "DISABLED"}
    missing = {"arm": baseline, "reason": "ERROR", "errorCode": "TARGETING_KEY_MISSING"}
    forced = world.forced("arms", name)
    if forced in declared["arms"]:
        return {"arm": forced, "reason": "TARGETING_MATCH"}
    if "blueGreen" in declared:
        mode = declared["blueGreen"]
        pinned = pin(world, name, declared, mode)
        if pinned:
            return {"arm": pinned, "reason": "TARGETING_MATCH"}
        return {"arm": mode["active"], "reason": "STATIC"}
    if "split" in declared:
        found = world.place("split", declared, name)
        if not found:
            return missing
        choice, share = split_choice(found[1], declared["split"], declared.get("past", ()))
        return {"arm": choice, "reason": "SPLIT", "unit": found[0], "bucket": found[1], "share": share}
    if "canary" not in declared:
        return {"arm": baseline, "reason": "STATIC"}
    canary = declared["canary"]
    others = [other for other in declared["arms"] if other != baseline]
    chosen = canary.get("arm") or (others[0] if len(others) == 1 else "canary")
    if any(holds(ring, world) for ring in canary.get("rings", [])):
        return {"arm": chosen, "reason": "TARGETING_MATCH"}
    # A canary with a share of 0 is for rings only and needs no unit.
    nobody_else = "steps" not in canary and thousandths(canary.get("share", 0)) == 0
    if nobody_else and "unit" not in declared:
        return {"arm": baseline, "reason": "DEFAULT"}
    found = world.place("ramp", declared, name)
    if not found:
        return missing
    latch = world.latch(name)
    # Steps of another epoch do not count.
    known = latch if latch.get("epoch", 0) == declared.get("epoch", 0) else {}
    share = share_at(canary, world.request.now, dict(map(tuple, known.get("left", []))), known.get("held"))
    inside = in_ramp(found[1], share)
    return {"arm": chosen if inside else baseline, "reason": "SPLIT",
            "unit": found[0], "bucket": found[1], "share": share}


def pin(world, name, declared, mode):
    """The arm of the session's cookie: `ARM.SECONDS`, started in the past and not expired."""
    if "pinSessions" not in mode:
        return None
    pinned, dot, began = (world.request.cookies.get(f"serin_pin_{name}") or "").partition(".")
    if not dot or not began.isascii() or not began.isdigit() or pinned not in declared["arms"]:
        return None
    age = world.request.now - int(began) * 1000
    return pinned if 0 <= age < span_ms(mode["pinSessions"]) else None


def shadow(world, name, declared, chosen):
    wanted = declared.get("shadow")
    if not wanted or wanted["arm"] == chosen:
        return None
    if world.request.method not in wanted.get("methods", ["GET", "HEAD"]):
        return None
    if "when" in wanted and not holds(wanted["when"], world):
        return None
    found = world.place("shadow", declared, name)
    return wanted["arm"] if found and in_ramp(found[1], thousandths(wanted["percent"])) else None


def flag(world, name):
    declared = world.spec["flags"][name]
    default = {"variant": declared["defaultVariant"]}
    for other, rollout_declared in world.spec.get("rollouts", {}).items():
        disabled = rollout_declared.get("onAbort", {}).get("disable", [])
        disabled = [disabled] if isinstance(disabled, str) else disabled
        if name in disabled and is_aborted(world, other):
            return {**default, "reason": "DISABLED"}
    forced = world.forced("variants", name)
    if forced in declared["variants"]:
        return {"variant": forced, "reason": "TARGETING_MATCH"}
    if declared.get("state") == "disabled":
        return {**default, "reason": "DISABLED"}
    for required in declared.get("requires", []):
        if flag(world, required["flag"])["variant"] != required["variant"]:
            return {**default, "reason": "DEFAULT"}
    held = holdout(world, declared)
    if held:
        return {**default, "reason": "SPLIT", **held}
    rules = declared.get("rules", [])
    if not rules:
        return {**default, "reason": "STATIC"}
    unit_missing = False
    for at, rule in enumerate(rules):
        served = serve(world, name, rule)
        if served == "unit missing":
            unit_missing = True
        elif served:
            variant, reason, assignment = served
            rule_name = rule.get("name", f"rules[{at}]")
            return {"variant": variant, "reason": reason, "rule": rule_name, **assignment}
    if unit_missing:
        return {**default, "reason": "ERROR", "errorCode": "TARGETING_KEY_MISSING"}
    return {**default, "reason": "DEFAULT"}


def holdout(world, declared):
    if declared.get("kind") in ("ops", "permission"):
        return None
    for name, held in sorted(world.spec.get("holdouts", {}).items(), key=lambda one: one[0].encode()):
        found = world.place("holdout", held, name)
        share = thousandths(held["percent"])
        if found and in_ramp(found[1], share):
            return {"holdout": name, "unit": found[0], "bucket": found[1], "share": share}
    return None


def serve(world, name, rule):
    """Variant, reason and assignment; None if the rule does not serve; an error if a unit is missing."""
    if "when" in rule and not holds(rule["when"], world):
        return None
    if "layer" in rule:
        layer = rule["layer"]
        found = world.place("layer", world.spec["layers"][layer["name"]], layer["name"])
        if not found:
            return "unit missing"
        low, high = map(thousandths, layer["range"])
        if not low <= found[1] < high:
            return None
    if "serve" in rule:
        return rule["serve"], "TARGETING_MATCH", {}
    settings = rule.get("ramp", rule)
    found = world.place("ramp" if "ramp" in rule else "split", settings, name)
    if not found:
        return "unit missing"
    if "ramp" in rule:
        share, variant = share_at(settings, world.request.now), settings["variant"]
        if not in_ramp(found[1], share):
            return None
    else:
        variant, share = split_choice(found[1], rule["split"], rule.get("past", ()))
    return variant, "SPLIT", {"unit": found[0], "bucket": found[1], "share": share}


def only(names):
    """The only name of a mapping; a spec with several units names the one that it uses."""
    name, = names
    return name
