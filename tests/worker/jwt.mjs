// JSON Web Tokens: claims count only with a valid signature, issuer, audience and time.
import { constants, createHmac, generateKeyPairSync, sign as signWith } from "node:crypto";
import { assert, check, until } from "./check.mjs";
import { named, nowhere, spec, upstream, worker } from "./world.mjs";

const SPEC = spec({ canary: { share: 0, rings: [{ attribute: "jwt.plan", equals: "beta" }] } });
const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
const DER = { dsaEncoding: "ieee-p1363" };

const pairs = {
  rsa: generateKeyPairSync("rsa", { modulusLength: 2048 }),
  p256: generateKeyPairSync("ec", { namedCurve: "P-256" }),
  p384: generateKeyPairSync("ec", { namedCurve: "P-384" }),
  ed: generateKeyPairSync("ed25519"),
  stranger: generateKeyPairSync("rsa", { modulusLength: 2048 }),
};
const ALGORITHMS = [
  ["RS256", "rsa", "sha256", {}], ["RS384", "rsa", "sha384", {}], ["RS512", "rsa", "sha512", {}],
  ["PS256", "rsa", "sha256", PSS], ["ES256", "p256", "sha256", DER], ["ES384", "p384", "sha384", DER], ["EdDSA", "ed", null, {}],
];

const encode = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
const published = (name, further = {}) => ({ ...pairs[name].publicKey.export({ format: "jwk" }), kid: name, ...further });

function token(claims, { alg = "RS256", kid = "rsa", by = kid, header = {} } = {}) {
  const [, , hash, options] = ALGORITHMS.find(([known]) => known === alg);
  const signed = `${encode({ alg, kid, ...header })}.${encode(claims)}`;
  return `${signed}.${signWith(hash, Buffer.from(signed), { key: pairs[by].privateKey, ...options }).toString("base64url")}`;
}

const soon = () => Math.floor(Date.now() / 1000) + 300;
const claims = (further = {}) => ({ iss: "https://id.example", aud: "shop", exp: soon(), plan: "beta", ...further });

async function world(SERIN_JWKS, variables = {}) {
  const [stable, canary] = [await named("stable"), await named("canary")];
  const serin = await worker({
    targets: { stable: stable.origin, canary: canary.origin },
    variables: { SERIN_SPEC: SPEC, SERIN_JWKS, SERIN_JWT_ISSUER: "https://id.example", SERIN_JWT_AUDIENCE: "shop", ...variables },
  });
  const ask = async (value, field = "authorization") => (await serin.ask("/", { headers: { [field]: value } })).text;
  return { serin, ask };
}

export async function jwt() {
  await check("tokens of every algorithm are verified", async () => {
    const broken = { kty: "RSA", kid: "rsa", n: "AQAB" };
    const { serin, ask } = await world({ keys: [broken, ...["rsa", "p256", "p384", "ed"].map((name) => published(name))] });
    for (const [alg, kid] of ALGORITHMS) {
      assert.equal(await ask(`Bearer ${token(claims(), { alg, kid })}`), "canary", alg);
      assert.equal(await ask(`Bearer ${token(claims({ plan: "free" }), { alg, kid })}`), "stable", alg);
    }
    const { tokensVerified, tokensRefused } = (await serin.status()).counters;
    assert.deepEqual([tokensVerified, tokensRefused], [2 * ALGORITHMS.length, 0]);
  });

  await check("forged, expired and foreign tokens give no claims, and their requests pass", async () => {
    const { serin, ask } = await world({ keys: [published("rsa"), published("p256", { use: "enc" })] });
    const good = token(claims());
    const [header, payload, signature] = good.split(".");
    // Algorithm confusion: the public key as the secret of an HMAC.
    const confused = `${encode({ alg: "HS256", kid: "rsa" })}.${payload}`;
    const secret = pairs.rsa.publicKey.export({ format: "pem", type: "spki" });
    const refused = {
      unsigned: `${encode({ alg: "none" })}.${payload}.`,
      "without its signature": `${header}.${payload}.`,
      "with other claims": `${header}.${encode(claims({ sub: "eve" }))}.${signature}`,
      "by a stranger": token(claims(), { by: "stranger" }),
      "by a key for something else": token(claims(), { alg: "ES256", kid: "p256" }),
      "by a key that is not there": token(claims(), { alg: "ES384", kid: "p384" }),
      confused: `${confused}.${createHmac("sha256", secret).update(confused).digest("base64url")}`,
      "with a header that must be understood": token(claims(), { header: { crit: ["exp"] } }),
      expired: token(claims({ exp: soon() - 400 })),
      "not yet good": token(claims({ nbf: soon() })),
      "for somebody else": token(claims({ aud: ["bank"] })),
      "from somebody else": token(claims({ iss: "https://other.example" })),
      "no token": "abc",
      "no base64": `${header}.${payload}.${signature}!`,
    };
    for (const [what, value] of Object.entries(refused)) assert.equal(await ask(`Bearer ${value}`), "stable", what);
    assert.equal(await ask(`Basic ${good}`), "stable");
    assert.equal(await ask(`Bearer ${good}`), "canary");
    const { tokensVerified, tokensRefused } = (await serin.status()).counters;
    assert.deepEqual([tokensVerified, tokensRefused], [1, Object.keys(refused).length]);
  });

  await check("another header field can carry the token", async () => {
    const { ask } = await world({ keys: [published("rsa")] }, { SERIN_JWT_HEADER: "Cf-Access-Jwt-Assertion" });
    assert.equal(await ask(token(claims()), "cf-access-jwt-assertion"), "canary");
    assert.equal(await ask(`Bearer ${token(claims())}`), "stable");
  });

  await check("keys are fetched from a URL once, and kept when it fails", async () => {
    const keys = await upstream((request, response) => response.end(JSON.stringify({ keys: [published("rsa")] })));
    const { ask } = await world(`${keys.origin}/jwks.json`);
    for (let round = 0; round < 5; round += 1) assert.equal(await ask(`Bearer ${token(claims())}`), "canary");
    assert.equal(keys.requests.length, 1);
    keys.close();
    assert.equal(await ask(`Bearer ${token(claims())}`), "canary");
    assert.equal(await ask(`Bearer ${token(claims(), { alg: "ES256", kid: "p256" })}`), "stable");
  });

  await check("without keys no claim counts, the request passes, and the log says why", async () => {
    for (const source of [await nowhere(), (await upstream((_, response) => response.end("[]"))).origin]) {
      const { serin, ask } = await world(source);
      assert.equal(await ask(`Bearer ${token(claims())}`), "stable");
      await until("the log says why", () => serin.log().includes("no key to verify tokens"));
    }
  });
}
