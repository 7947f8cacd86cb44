/**
 * Requests that a device signs: HTTP Message Signatures (RFC 9421) with Content-Digest (RFC 9530).
 *
 * One profile of them, and nothing else is accepted: the label `suture`, the algorithm ed25519, the
 * components method, path and query, and the digest where there is a body. Cryptography comes in as
 * an argument, for this file also runs in a browser.
 */

/** A request as far as its signature covers it. */
export interface SignedParts {
  readonly method: string;
  /** Begins with `/`, without the query. */
  readonly path: string;
  /** With its `?`; `?` alone where there is none (RFC 9421, 2.2.7). */
  readonly query: string;
  /** SHA-256 of the body, base64; absent where there is no body. */
  readonly bodyDigest?: string;
}

export interface SignatureParameters {
  /** Seconds since 1970. */
  readonly created: number;
  /** 16 random bytes or more, base64url: used once. */
  readonly nonce: string;
  /** The device. */
  readonly keyId: string;
}

export interface SignatureHeaders {
  readonly "signature-input": string;
  readonly signature: string;
  readonly "content-digest"?: string;
}

const COVERED = ['"@method"', '"@path"', '"@query"'];
const HEADER_MAX = 1000;

/** Seconds that a request's clock may be off. */
export const SIGNATURE_AGE_MAX = 300;

/** Headers for a request. `sign` gives the raw 64 bytes for the text, base64. */
export function signRequest(
  parts: SignedParts,
  parameters: SignatureParameters,
  sign: (base: string) => string,
): SignatureHeaders {
  const input = parametersText(parts.bodyDigest !== undefined, parameters);
  const signature = sign(signatureBase(parts, input));
  return {
    "signature-input": `suture=${input}`,
    signature: `suture=:${signature}:`,
    ...(parts.bodyDigest !== undefined && { "content-digest": `sha-256=:${parts.bodyDigest}:` }),
  };
}

/** What a request's headers claim; undefined where they are not of the one profile. */
export interface Claim extends SignatureParameters {
  /** The text whose signature is to be verified. */
  readonly base: string;
  /** base64 */
  readonly signature: string;
}

/**
 * Reads the headers of a request. The caller looks up the key of `keyId`, verifies the signature of
 * `base`, and refuses a `created` that is off by more than SIGNATURE_AGE_MAX, and a nonce seen before.
 */
export function readClaim(
  parts: SignedParts,
  headers: {
    readonly signatureInput: string | undefined;
    readonly signature: string | undefined;
    readonly contentDigest: string | undefined;
  },
): Claim | undefined {
  const { signatureInput = "", signature = "", contentDigest } = headers;
  if (signatureInput.length > HEADER_MAX || signature.length > HEADER_MAX) return undefined;
  const input = inputPattern.exec(signatureInput)?.groups;
  const bytes = signaturePattern.exec(signature)?.groups?.bytes;
  if (input === undefined || bytes === undefined) return undefined;
  const parameters = {
    created: Number(input.created),
    nonce: input.nonce as string,
    keyId: input.keyId as string,
  };
  const hasBody = parts.bodyDigest !== undefined;
  if (hasBody !== (contentDigest !== undefined)) return undefined;
  if (hasBody && contentDigest !== `sha-256=:${parts.bodyDigest}:`) return undefined;
  const text = parametersText(hasBody, parameters);
  // The covered components are exactly those of the profile.
  if (signatureInput !== `suture=${text}`) return undefined;
  return { ...parameters, base: signatureBase(parts, text), signature: bytes };
}

const inputPattern =
  /^suture=\([^()]{1,200}\);created=(?<created>[0-9]{1,12});nonce="(?<nonce>[A-Za-z0-9_-]{16,64})";keyid="(?<keyId>[0-9a-f-]{36})";alg="ed25519"$/;
const signaturePattern = /^suture=:(?<bytes>[A-Za-z0-9+/]{86}==):$/;

function parametersText(hasBody: boolean, parameters: SignatureParameters): string {
  const covered = hasBody ? [...COVERED, '"content-digest"'] : COVERED;
  const { created, nonce, keyId } = parameters;
  return `(${covered.join(" ")});created=${created};nonce="${nonce}";keyid="${keyId}";alg="ed25519"`;
}

/** RFC 9421, 2.5. */
function signatureBase(parts: SignedParts, input: string): string {
  const lines = [
    `"@method": ${parts.method.toUpperCase()}`,
    `"@path": ${parts.path}`,
    `"@query": ${parts.query}`,
  ];
  if (parts.bodyDigest !== undefined) {
    lines.push(`"content-digest": sha-256=:${parts.bodyDigest}:`);
  }
  lines.push(`"@signature-params": ${input}`);
  return lines.join("\n");
}
