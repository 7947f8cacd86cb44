/** Puts a hotpatch file together: the object, the patch description, the manifest, the seal. */
import { createHash } from "node:crypto";
import { type HotpatchManifest, MANIFEST_SECTION } from "@suture/release";
import {
  DIGEST_SECTION,
  DIGEST_SIZE,
  formatAddress,
  type HotpatchObject,
  PATCH_SECTION,
  type PatchDescription,
  SHT,
  sealHotpatch,
  writeRelocatable,
} from "./engine.ts";

/** The bytes of the hotpatch file: the same input gives the same bytes. */
export function writeHotpatchFile(
  object: HotpatchObject["object"],
  description: PatchDescription,
  manifest: HotpatchManifest,
): Uint8Array {
  const sections = [
    ...object.sections,
    jsonSection(PATCH_SECTION, description),
    jsonSection(MANIFEST_SECTION, manifest),
    plainSection(DIGEST_SECTION, new Uint8Array(DIGEST_SIZE)),
  ];
  // From here no byte changes but those of the digest.
  return sealHotpatch(writeRelocatable({ ...object, sections }));
}

/**
 * The hotpatch's name: file, version and a digest of what it does, so that two fixes of one
 * baseline never share one. Only characters that a mapping's name and a file name may have.
 */
export function hotpatchId(parts: {
  readonly file: string;
  readonly version: string;
  readonly object: HotpatchObject["object"];
  readonly description: Omit<PatchDescription, "id">;
}): string {
  const digest = createHash("sha256")
    .update(writeRelocatable(parts.object))
    .update(JSON.stringify(parts.description))
    .digest("hex");
  const version = parts.version.replace(/^[0-9]+:/, "");
  const readable = `${parts.file}-${version}`.replace(/[^A-Za-z0-9.+~_-]/g, "_");
  return `${readable.slice(0, 108)}-${digest.slice(0, 10)}`;
}

export const sha256 = (bytes: Uint8Array): string =>
  createHash("sha256").update(bytes).digest("hex");

/** A section that takes no room in the process. */
const plainSection = (
  name: string,
  bytes: Uint8Array,
): HotpatchObject["object"]["sections"][number] => ({
  name,
  sh_type: SHT.SHT_PROGBITS,
  sh_flags: 0,
  sh_addralign: 1,
  bytes,
  relocations: [],
});

/** One line of JSON. */
const jsonSection = (name: string, value: unknown) =>
  plainSection(name, new TextEncoder().encode(JSON.stringify(value, addressesAsText)));

/** Addresses stand as hexadecimal text in the description (patch-description.ts). */
function addressesAsText(key: string, value: unknown): unknown {
  return key === "address" && typeof value === "number" ? formatAddress(value) : value;
}
