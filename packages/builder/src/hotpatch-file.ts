/** Puts a hotpatch file together: the object, the patch description and the manifest. */
import { createHash } from "node:crypto";
import { type HotpatchManifest, MANIFEST_SECTION } from "@suture/release";
import {
  formatAddress,
  type HotpatchObject,
  PATCH_SECTION,
  type PatchDescription,
  SHT,
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
  ];
  return writeRelocatable({ ...object, sections });
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

/** The section's bytes: no allocation in the process, one line of JSON. */
const jsonSection = (
  name: string,
  value: unknown,
): HotpatchObject["object"]["sections"][number] => ({
  name,
  sh_type: SHT.SHT_PROGBITS,
  sh_flags: 0,
  sh_addralign: 1,
  bytes: new TextEncoder().encode(JSON.stringify(value, addressesAsText)),
  relocations: [],
});

/** Addresses stand as hexadecimal text in the description (patch-description.ts). */
function addressesAsText(key: string, value: unknown): unknown {
  return key === "address" && typeof value === "number" ? formatAddress(value) : value;
}
