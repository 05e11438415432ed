// Tokens' signatures (JWS compact serialisation, RFC 7515) by keys of a JSON Web Key Set (RFC 7517). What the claims
// say is not looked at here.

/** What a token's `alg` means: the keys it takes and the platform's name for it (RFC 7518, RFC 8037). */
const ALGORITHMS = {
  ...family("RS", "RSA", (hash) => ({ name: "RSASSA-PKCS1-v1_5", hash })),
  ...family("PS", "RSA", (hash, bits) => ({ name: "RSA-PSS", hash, saltLength: bits / 8 })),
  ...family("HS", "oct", (hash) => ({ name: "HMAC", hash })),
  ES256: { kty: "EC", crv: "P-256", name: { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } },
  ES384: { kty: "EC", crv: "P-384", name: { name: "ECDSA", namedCurve: "P-384", hash: "SHA-384" } },
  EdDSA: { kty: "OKP", crv: "Ed25519", name: { name: "Ed25519" } },
};

function family(prefix, kty, name) {
  return Object.fromEntries([256, 384, 512].map((bits) => [prefix + bits, { kty, name: name(`SHA-${bits}`, bits) }]));
}

const LARGEST_KEY_SET = 262_144;
const MOST_KEYS = 4;
/** Ms that a key set is good for, and that must pass before it is asked for again in vain. */
const FRESH = 600_000;
const AGAIN = 30_000;
const PATIENCE = 5_000;

/** The last good key set of each source: its keys, when it was read, when it was last asked for. */
const sets = new Map();

/** The payload of a token whose signature is good; nothing for any other. Throws when there are no keys. */
export async function verified(token, source, now) {
  const parts = token.split(".");
  if (parts.length !== 3) return undefined;
  const [header, payload, signature] = parts.map(bytes);
  const { alg, kid, crit } = object(header) ?? {};
  const algorithm = Object.hasOwn(ALGORITHMS, alg ?? "") ? ALGORITHMS[alg] : undefined;
  if (algorithm === undefined || crit !== undefined || payload === undefined || signature === undefined) return undefined;
  const fits = (key) => key.kty === algorithm.kty && key.crv === algorithm.crv && (key.alg ?? alg) === alg
    && (key.use ?? "sig") === "sig" && (kid === undefined || (key.kid ?? kid) === kid);
  const signed = new TextEncoder().encode(`${parts[0]}.${parts[1]}`);
  for (const key of (await candidates(source, now, fits)).slice(0, MOST_KEYS)) {
    if (await signedBy(key, algorithm.name, signature, signed)) return new TextDecoder().decode(payload);
  }
  return undefined;
}

/** A key that the platform can't use has signed nothing; the others still count. */
async function signedBy({ kty, crv, n, e, x, y, k }, name, signature, signed) {
  try {
    const key = await crypto.subtle.importKey("jwk", { kty, crv, n, e, x, y, k }, name, false, ["verify"]);
    return await crypto.subtle.verify(name, key, signature, signed);
  } catch {
    return false;
  }
}

/** Keys that fit. A token may name a key that is newer than the set. */
async function candidates(source, now, fits) {
  const set = await keySet(source, now, FRESH);
  const found = set.keys.filter(fits);
  return found.length > 0 || source.startsWith("{") ? found : (await keySet(source, now, AGAIN)).keys.filter(fits);
}

async function keySet(source, now, age) {
  const known = sets.get(source);
  if (known?.keys !== undefined && (source.startsWith("{") || now - known.read < age)) return known;
  if (known !== undefined && now - known.asked < AGAIN) {
    if (known.keys === undefined) throw new Error(known.problem);
    return known;
  }
  sets.set(source, { ...known, asked: now, problem: "its keys are being asked for" });
  try {
    const { keys } = JSON.parse(source.startsWith("{") ? source : await download(source));
    if (!Array.isArray(keys)) throw new Error("it has no list of keys");
    const set = { keys: keys.filter((key) => typeof key === "object" && key !== null), read: now, asked: now };
    sets.set(source, set);
    return set;
  } catch (thrown) {
    const problem = String(thrown.message ?? thrown);
    sets.set(source, { ...known, asked: now, problem });
    if (known?.keys === undefined) throw new Error(problem);
    return known;
  }
}

async function download(url) {
  const response = await fetch(url, { signal: AbortSignal.timeout(PATIENCE), redirect: "manual" });
  if (!response.ok) throw new Error(`status ${response.status}`);
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > LARGEST_KEY_SET) throw new Error("it is too large");
  }
  return text;
}

function object(bytes) {
  try {
    const value = JSON.parse(new TextDecoder().decode(bytes));
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Base64url without padding; nothing for anything else. */
function bytes(text) {
  if (!/^[\w-]*$/.test(text)) return undefined;
  try {
    return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));
  } catch {
    return undefined;
  }
}
