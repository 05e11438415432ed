// The verification of tokens' signatures (JWS compact serialisation, RFC 7515) with the keys of a JSON Web Key Set
// (RFC 7517). The claims are validated elsewhere.

/** The algorithms of `alg`: the key type that each needs, and its Web Crypto parameters (RFC 7518, RFC 8037). */
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

/** The longest key set, in UTF-16 code units. */
const MAX_KEY_SET_LENGTH = 262_144;
/** The maximum number of keys that are tried for a token. */
const MAX_KEYS = 4;
/** The age at which a key set is downloaded again, in ms. */
const MAX_AGE_MS = 600_000;
/** The shortest time between two downloads, in ms. */
const MIN_INTERVAL_MS = 30_000;
/** The time limit of a download, in ms. */
const TIMEOUT_MS = 5_000;

/** The last valid key set of each source: its keys, the times of its last read and of its last request. */
const keySets = new Map();

/** The payload of a token; undefined if its signature is not valid. Throws if there are no keys. */
export async function verifiedPayload(token, source, now) {
  const parts = token.split(".");
  if (parts.length !== 3) return undefined;
  const [header, payload, signature] = parts.map(decodeBase64url);
  const { alg, kid, crit } = parseObject(header) ?? {};
  const algorithm = Object.hasOwn(ALGORITHMS, alg ?? "") ? ALGORITHMS[alg] : undefined;
  if (algorithm === undefined || crit !== undefined || payload === undefined || signature === undefined) return undefined;
  const fits = (key) => key.kty === algorithm.kty && key.crv === algorithm.crv && (key.alg ?? alg) === alg
    && (key.use ?? "sig") === "sig" && (kid === undefined || (key.kid ?? kid) === kid);
  const signed = new TextEncoder().encode(`${parts[0]}.${parts[1]}`);
  for (const key of (await candidates(source, now, fits)).slice(0, MAX_KEYS)) {
    if (await hasSigned(key, algorithm.name, signature, signed)) return new TextDecoder().decode(payload);
  }
  return undefined;
}

/** Whether a key has signed a token. `false` for a key that the platform cannot use, so other keys are tried. */
async function hasSigned({ kty, crv, n, e, x, y, k }, name, signature, signed) {
  try {
    const key = await crypto.subtle.importKey("jwk", { kty, crv, n, e, x, y, k }, name, false, ["verify"]);
    return await crypto.subtle.verify(name, key, signature, signed);
  } catch {
    return false;
  }
}

/** The keys that fit. If there is none, the set may be older than the key that the token names: it is read again. */
async function candidates(source, now, fits) {
  const set = await keySet(source, now, MAX_AGE_MS);
  const found = set.keys.filter(fits);
  return found.length > 0 || source.startsWith("{") ? found : (await keySet(source, now, MIN_INTERVAL_MS)).keys.filter(fits);
}

/** The key set of a source, which is JSON or a URL; not older than `age`, in ms, unless a download fails. */
async function keySet(source, now, age) {
  const cached = keySets.get(source);
  if (cached?.keys !== undefined && (source.startsWith("{") || Math.abs(now - cached.read) < age)) return cached;
  if (cached !== undefined && Math.abs(now - cached.requested) < MIN_INTERVAL_MS) {
    if (cached.keys === undefined) throw new Error(cached.problem);
    return cached;
  }
  keySets.set(source, { ...cached, requested: now, problem: "the keys are being downloaded" });
  try {
    const { keys } = JSON.parse(source.startsWith("{") ? source : await download(source));
    if (!Array.isArray(keys)) throw new Error("the key set has no list of keys");
    const set = { keys: keys.filter((key) => typeof key === "object" && key !== null), read: now, requested: now };
    keySets.set(source, set);
    return set;
  } catch (thrown) {
    const problem = String(thrown.message ?? thrown);
    keySets.set(source, { ...cached, requested: now, problem });
    if (cached?.keys === undefined) throw new Error(problem);
    return cached;
  }
}

async function download(url) {
  const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS), redirect: "manual" });
  if (!response.ok) throw new Error(`status ${response.status}`);
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > MAX_KEY_SET_LENGTH) throw new Error("the key set is too large");
  }
  return text;
}

function parseObject(bytes) {
  try {
    const value = JSON.parse(new TextDecoder().decode(bytes));
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The bytes of base64url without padding; undefined for anything else. */
function decodeBase64url(text) {
  if (!/^[\w-]*$/.test(text)) return undefined;
  try {
    return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));
  } catch {
    return undefined;
  }
}
