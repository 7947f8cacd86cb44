/**
 * The digest by which a damaged or altered hotpatch file is known.
 *
 * The section `.suture.digest` holds the SHA-256 of the whole file, computed with the digest's own
 * 32 bytes set to zero. It guards against damage, and against changes by hand that forget it;
 * against attackers guards the signature of the release channel.
 */
import { createHash } from "node:crypto";
import { FormatError } from "../bytes/format-error.ts";
import { parseElf, sectionByName } from "../elf/file.ts";

export const DIGEST_SECTION = ".suture.digest";
export const DIGEST_SIZE = 32;

/** Fills in the digest of a file that has an empty one. Throws FormatError where it has none. */
export function sealHotpatch(bytes: Uint8Array): Uint8Array {
  const sealed = Uint8Array.from(bytes); // A Buffer's slice would be no copy.
  const at = digestOffset(sealed);
  sealed.set(digestOf(sealed, at), at);
  return sealed;
}

/** True when the file is as it was sealed. Throws FormatError where it has no digest. */
export function isSealIntact(bytes: Uint8Array): boolean {
  const at = digestOffset(bytes);
  const found = bytes.subarray(at, at + DIGEST_SIZE);
  return digestOf(bytes, at).every((byte, index) => byte === found[index]);
}

function digestOf(bytes: Uint8Array, at: number): Uint8Array {
  return createHash("sha256")
    .update(bytes.subarray(0, at))
    .update(new Uint8Array(DIGEST_SIZE))
    .update(bytes.subarray(at + DIGEST_SIZE))
    .digest();
}

function digestOffset(bytes: Uint8Array): number {
  const section = sectionByName(parseElf(bytes), DIGEST_SECTION);
  if (section === undefined || section.sh_size !== DIGEST_SIZE) {
    throw new FormatError({
      what: "hotpatch file",
      offset: 0,
      expected: `a section ${DIGEST_SECTION} of ${DIGEST_SIZE} bytes`,
      found: section === undefined ? "none" : `${section.sh_size} bytes`,
    });
  }
  return section.sh_offset;
}
