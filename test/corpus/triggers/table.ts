/** The triggers, by package and fix; what is wrong before each fix stands in the C files. */
import { join } from "node:path";
import { startLibrarySubject } from "./library-subject.ts";
import type { Trigger } from "./trigger.ts";

/** A library's triggers: a file in C for each first patch. */
const library = (
  {
    name,
    binary,
    includes,
  }: {
    readonly name: string;
    readonly binary: string;
    /** Folders with headers, in the built tree. */
    readonly includes: readonly string[];
  },
  sources: Readonly<Record<string, string>>,
): readonly Trigger[] =>
  Object.entries(sources).map(([patch, source]) => ({
    ...{ package: name, patch, binary },
    start: (place) =>
      startLibrarySubject(join(import.meta.dirname, source), {
        ...place,
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
];
