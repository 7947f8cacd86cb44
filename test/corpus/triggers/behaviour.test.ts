/** A fault in a small library is shown, taken away and shown again; what shows none proves nothing. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openWorkshop } from "../../live/victim.ts";
import { openLiveEngine } from "../live.ts";
import { proveBehaviour } from "./behaviour.ts";
import { startLibrarySubject } from "./library-subject.ts";

const workshop = openWorkshop();
const engine = openLiveEngine();
afterAll(() => workshop.close());

const lengthOf = (body: string): string =>
  `#include <string.h>\nint length_of(const char *text);\nint length_of(const char *text) { ${body} }\n`;
const FAULTY = lengthOf("return (int)strlen(text);");
const FIX = lengthOf("return text ? (int)strlen(text) : -1;");
const OTHER = lengthOf("return (int)strlen(text) + 1;");

const library = workshop.compile("library.so", FAULTY, ["-shared", "-fPIC", "-Wl,--build-id"]);

const makeFix = (id: string, source: string): string => {
  const wanted = { id, binary: library, source, functions: ["length_of"], dynamic: ["strlen"] };
  workshop.makeHotpatch({ ...wanted, flags: ["-fPIC"] });
  return join(workshop.folder, `${id}.hotpatch`);
};

/** Runs a trigger whose `misbehaves` has this body. */
async function prove(body: string, hotpatch: string) {
  const folder = mkdtempSync(join(workshop.folder, "trigger-"));
  const source = join(folder, "trigger.c");
  const declared = "int length_of(const char *text);";
  const lines = [`#include "trigger.h"`, declared, `static int misbehaves(void) { ${body} }`, ""];
  writeFileSync(source, lines.join("\n"));
  const place = { file: library, root: folder, libraryPath: [], folder };
  const start = () => startLibrarySubject(source, { ...place, includes: [import.meta.dirname] });
  return proveBehaviour(start, { hotpatch, engine });
}

const fix = makeFix("fix", FIX);
const other = makeFix("other", OTHER);

test("a crash that a hotpatch takes away, and its revert brings back, is proven", async () => {
  expect(await prove("return length_of((const char *)0) != -1;", fix)).toEqual({
    behaviour: "proven",
    behaviourDetail: "Segmentation fault -> as it should be",
  });
});

test("a trigger that shows nothing before the hotpatch proves nothing", async () => {
  expect(await prove(`return length_of("four") != 4;`, fix)).toEqual({
    behaviour: "not-proven",
    behaviourDetail: "before the hotpatch: right, as it should be",
  });
});

test("a hotpatch that leaves the fault is not proven", async () => {
  expect(await prove("return length_of((const char *)0) != -1;", other)).toEqual({
    behaviour: "not-proven",
    behaviourDetail: "with the hotpatch: wrong, Segmentation fault",
  });
});

test("a trigger that cannot look, or cannot be compiled, is neither right nor wrong", async () => {
  expect(await prove("return UNABLE;", fix)).toMatchObject({
    behaviour: "not-proven",
    behaviourDetail: expect.stringContaining("before the hotpatch: unable"),
  });
  expect(await prove("return no_such_name;", fix)).toMatchObject({
    behaviour: "not-proven",
    behaviourDetail: expect.stringContaining("no_such_name"),
  });
});
