/** What a command's exit code says. `suture help` and docs/operations.md show this table. */
export const EXIT_CODES = {
  done: { code: 0, meaning: "done: what was asked for is so" },
  failed: { code: 1, meaning: "failed: something broke on the way; the message says what" },
  usage: { code: 2, meaning: "usage: the command line is wrong; nothing was done" },
  refused: { code: 3, meaning: "refused: it would not be safe; nothing was changed" },
  nothing: { code: 4, meaning: "nothing to work on: no process fits" },
  restart: { code: 5, meaning: "restart: no hotpatch can bring the fix; a restart can" },
  different: {
    code: 6,
    meaning: "different: the server is not as the file says; nothing was done",
  },
} as const;

export type Exit = keyof typeof EXIT_CODES;
