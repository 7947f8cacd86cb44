/** What hotpatches with callbacks are made of without the builder. */
import { fileURLToPath } from "node:url";
import type { HotpatchRequest } from "./victim.ts";

/** The folder of suture.h, as a compiler option. */
export const HEADER_OPTION = `-I${fileURLToPath(new URL("../../packages/builder/include", import.meta.url))}`;

/** A callback: `pre-apply check`, or with its unit `pre-apply check a.c`. */
export type CallbackText = string;

/** Puts callbacks into a hotpatch's description, as the builder finds them in its sections. */
export const withCallbacks =
  (...callbacks: readonly CallbackText[]): NonNullable<HotpatchRequest["edit"]> =>
  (description) => ({
    ...description,
    callbacks: callbacks.map((text) => {
      const [when, symbol, unit = "visitors.c"] = text.split(" ");
      return { when, symbol, unit };
    }),
  });

/** C: `NOTE(f, "x")` is a callback f that adds x to the victim's trace. */
export const NOTE = `
  #include <string.h>
  extern char trace[256];
  #define NOTE(f, what) __attribute__((noinline)) int f(void) { strcat(trace, what); return 0; }
`;
