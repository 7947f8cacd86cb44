/** Whether a build made again what there is already. */
import { isDeepStrictEqual } from "node:util";
import { MANIFEST_SECTION, parseManifest } from "@suture/release";
import {
  DIGEST_SECTION,
  type Hotpatch,
  isRefusal,
  PATCH_SECTION,
  parseHotpatch,
  sectionBytes,
} from "./engine.ts";

/**
 * Whether two hotpatch files do and say the same, whatever their sequences.
 *
 * A hotpatch's id is a digest of its description, which has the sequence, so that it differs too.
 * A file that is no hotpatch is the same as none. Throws ManifestError for a bad manifest.
 */
export function isSameHotpatch(one: Uint8Array, other: Uint8Array): boolean {
  const [first, second] = [one, other].map((bytes) => parseHotpatch(bytes));
  if (first === undefined || second === undefined || isRefusal(first) || isRefusal(second)) {
    return false;
  }
  return isDeepStrictEqual(contentOf(first), contentOf(second));
}

const ownSections: readonly string[] = [PATCH_SECTION, MANIFEST_SECTION, DIGEST_SECTION];

/** All that a hotpatch is, but for its place among others. */
function contentOf({ object, description }: Hotpatch) {
  const { id: _, sequence: __, ...does } = description;
  const manifest = object.sections.find(({ name }) => name === MANIFEST_SECTION);
  const says = manifest && parseManifest(sectionBytes(object, manifest));
  return {
    does,
    says: says && { ...says, id: undefined, sequence: undefined },
    // Where a section stands in the file depends on how long the description is.
    sections: object.sections
      .filter(({ name, sh_type }) => !ownSections.includes(name) && sh_type !== 0)
      .map((section) => ({
        ...{ name: section.name, type: section.sh_type, flags: section.sh_flags },
        ...{ link: section.sh_link, info: section.sh_info, size: section.sh_size },
        bytes: Buffer.from(sectionBytes(object, section)).toString("base64"),
      })),
  };
}
