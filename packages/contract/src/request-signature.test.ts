import { createHash, generateKeyPairSync, sign, verify } from "node:crypto";
import { expect, test } from "vitest";
import { type Claim, readClaim, type SignedParts, signRequest } from "./request-signature.ts";

const { publicKey, privateKey } = generateKeyPairSync("ed25519");
const bodyDigest = createHash("sha256").update("{}").digest("base64");
const parts: SignedParts = { method: "POST", path: "/v1/device/check-in", query: "?", bodyDigest };
const parameters = {
  created: 1_795_341_600,
  nonce: "AAAAAAAAAAAAAAAAAAAAAA",
  keyId: "01234567-89ab-4def-8123-456789abcdef",
};
const headers = signRequest(parts, parameters, (base) =>
  sign(null, Buffer.from(base), privateKey).toString("base64"),
);
const sent = {
  signatureInput: headers["signature-input"] as string | undefined,
  signature: headers.signature as string | undefined,
  contentDigest: headers["content-digest"],
};

const isGood = (claim: Claim | undefined): boolean =>
  claim !== undefined &&
  verify(null, Buffer.from(claim.base), publicKey, Buffer.from(claim.signature, "base64"));

test("the base is the one of RFC 9421, 2.5", () => {
  expect(readClaim(parts, sent)?.base).toBe(
    [
      '"@method": POST',
      '"@path": /v1/device/check-in',
      '"@query": ?',
      `"content-digest": sha-256=:${bodyDigest}:`,
      '"@signature-params": ("@method" "@path" "@query" "content-digest");created=1795341600;' +
        'nonce="AAAAAAAAAAAAAAAAAAAAAA";keyid="01234567-89ab-4def-8123-456789abcdef";alg="ed25519"',
    ].join("\n"),
  );
});

test("what was signed is read and verified", () => {
  const claim = readClaim(parts, sent);
  expect(claim).toMatchObject(parameters);
  expect(isGood(claim)).toBe(true);
});

test("a request without a body has no digest", () => {
  const { bodyDigest: _, ...without } = parts;
  const own = signRequest(without, parameters, (base) =>
    sign(null, Buffer.from(base), privateKey).toString("base64"),
  );
  expect(own["content-digest"]).toBeUndefined();
  const claim = readClaim(without, {
    signatureInput: own["signature-input"],
    signature: own.signature,
    contentDigest: undefined,
  });
  expect(isGood(claim)).toBe(true);
});

test.each<[string, SignedParts]>([
  ["method", { ...parts, method: "PUT" }],
  ["path", { ...parts, path: "/v1/device/assignment" }],
  ["query", { ...parts, query: "?after=1" }],
  ["body", { ...parts, bodyDigest: createHash("sha256").update("[]").digest("base64") }],
])("another %s does not pass", (_, other) => {
  expect(isGood(readClaim(other, sent))).toBe(false);
});

const input = sent.signatureInput ?? "";
test.each<[string, { [Name in keyof typeof sent]?: string | undefined }]>([
  ["no input", { signatureInput: undefined }],
  ["no signature", { signature: undefined }],
  ["no digest of the body", { contentDigest: undefined }],
  ["another algorithm", { signatureInput: input.replace("ed25519", "hmac-sha256") }],
  ["another label", { signatureInput: input.replace("suture=", "sig1=") }],
  ["fewer components", { signatureInput: input.replace(' "content-digest"', "") }],
  ["more components", { signatureInput: input.replace('("@method"', '("host" "@method"') }],
  [
    "components in another order",
    { signatureInput: input.replace('"@method" "@path"', '"@path" "@method"') },
  ],
  ["a short nonce", { signatureInput: input.replace(/nonce="[^"]*"/, 'nonce="AAAA"') }],
  ["two members", { signatureInput: `${input}, other=()` }],
  ["a number with a leading zero", { signatureInput: input.replace("created=", "created=0") }],
  ["a very long header", { signatureInput: input + " ".repeat(1000) }],
  ["a signature that is not base64", { signature: "suture=:***:" }],
])("%s does not pass", (_, change) => {
  expect(readClaim(parts, { ...sent, ...change })).toBeUndefined();
});
