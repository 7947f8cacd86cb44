/** The triggers, by package and fix; what is wrong before each fix stands in the C files. */
import { join } from "node:path";
import { HAPROXY_TRIGGERS } from "./haproxy.ts";
import { startLibrarySubject } from "./library-subject.ts";
import { REDIS_TRIGGERS } from "./redis.ts";
import type { Trigger } from "./trigger.ts";

/** A library's triggers: a file in C for each first patch. */
const library = (
  {
    name,
    binary,
    includes,
    libraries = [],
  }: {
    readonly name: string;
    readonly binary: string;
    /** Folders with headers, in the built tree. */
    readonly includes: readonly string[];
    /** Further libraries that the triggers call. */
    readonly libraries?: readonly string[];
  },
  sources: Readonly<Record<string, string>>,
): readonly Trigger[] =>
  Object.entries(sources).map(([patch, source]) => ({
    ...{ package: name, patch, binary },
    start: (place) =>
      startLibrarySubject(join(import.meta.dirname, source), {
        ...place,
        libraries,
        includes: includes.map((folder) => join(place.root, folder)),
      }),
  }));

export const TRIGGERS: readonly Trigger[] = [
  ...library(
    { name: "cjson", binary: "libcjson.so", includes: ["."] },
    {
      "0001-add-null-checkings.patch": "cjson-2023-50471.c",
      "0002-add-null-check-to-cjson-setvaluestring.patch": "cjson-2024-31755.c",
    },
  ),
  ...library(
    { name: "c-ares", binary: "libcares.so", includes: ["include"] },
    { "CVE-2023-32067.diff": "c-ares-2023-32067.c" },
  ),
  ...library(
    { name: "avahi", binary: "libavahi-common.so", includes: ["."] },
    {
      "common-derive-alternative-host-name-from-its-unescaped-ve.patch": "avahi-2023-38473.c",
    },
  ),
  ...library(
    {
      ...{ name: "avahi", binary: "libavahi-core.so", includes: ["."] },
      libraries: ["libavahi-common.so.3"],
    },
    { "core-extract-host-name-using-avahi_unescape_label.patch": "avahi-2023-38471.c" },
  ),
  ...library(
    { name: "libpng1.6", binary: "libpng16.so", includes: ["."] },
    {
      "CVE-2025-64505.patch": "png-2025-64505.c",
      "CVE-2025-64506.patch": "png-2025-64506.c",
      "CVE-2026-22801.patch": "png-2026-22801.c",
      "CVE-2026-22695.patch": "png-2026-22695.c",
      "CVE-2026-25646.patch": "png-2026-25646.c",
      "CVE-2026-33416-part1.patch": "png-2026-33416.c",
      "CVE-2026-34757-part1.patch": "png-2026-34757.c",
      "CVE-2026-33416-regression-fix.patch": "png-2026-33416-palette.c",
    },
  ),
  ...HAPROXY_TRIGGERS,
  ...REDIS_TRIGGERS,
];
