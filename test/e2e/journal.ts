/** What the main job tells while it goes on, what it claims, and the table at its end. */
import type { FleetReport, Window } from "./clients.ts";

export interface Journal {
  /** Begins the next part of the story. */
  readonly step: (title: string) => void;
  readonly say: (text: string) => void;
  /** Something that has to be true for the job to succeed. */
  readonly claim: (what: string, isTrue: boolean | readonly boolean[]) => void;
  readonly measured: (measured: Measured) => void;
  /** Prints what was not true; true when everything was. */
  readonly verdict: () => boolean;
}

interface Measured {
  readonly report: FleetReport;
  readonly build: { readonly functions: number; readonly seconds: number };
  readonly applied: { readonly stopUs: number; readonly threads: number };
  readonly reverted: { readonly stopUs: number; readonly threads: number };
}

export function createJournal(print: (text: string) => void = console.log): Journal {
  let steps = 0;
  let claims = 0;
  const untrue: string[] = [];
  const say = (text: string): void => print(`   ${text}`);
  return {
    say,
    step: (title) => print(`\n${++steps}. ${title}`),
    claim(what, isTrue) {
      claims++;
      const holds = [isTrue].flat().every(Boolean);
      if (!holds) untrue.push(what);
      say(`${holds ? "✓" : "✗"} ${what}`);
    },
    measured: (measured) => tableOf(measured).forEach((row) => void print(row)),
    verdict() {
      print("");
      for (const what of untrue) print(`not true: ${what}`);
      print(untrue.length === 0 ? `All ${claims} claims were true.` : "The job failed.");
      return untrue.length === 0;
    },
  };
}

function tableOf({ report, build, applied, reverted }: Measured): string[] {
  const windows = ["before", "apply", "applied", "revert", "reverted"].map(
    (name) =>
      report.windows.find((window) => window.name === name) ??
      ({ name, requests: 0, medianMs: Number.NaN, maxMs: Number.NaN } satisfies Window),
  );
  const row = (title: string, cells: readonly string[]): string =>
    [title.padEnd(26), ...cells.map((cell) => cell.padStart(10))].join("");
  const ofWindows = (title: string, cell: (window: Window) => string): string =>
    row(title, windows.map(cell));
  return [
    "",
    row(
      "",
      windows.map(({ name }) => name),
    ),
    ofWindows("round trips", ({ requests }) => `${requests}`),
    ofWindows("median round trip, ms", ({ medianMs }) => medianMs.toFixed(2)),
    ofWindows("longest round trip, ms", ({ maxMs }) => maxMs.toFixed(2)),
    row("server stopped, µs", [
      "-",
      applied.stopUs.toFixed(0),
      "-",
      reverted.stopUs.toFixed(0),
      "-",
    ]),
    "",
    `functions replaced: ${build.functions}, threads: ${applied.threads}, ` +
      `time to build: ${build.seconds.toFixed(0)} s`,
    `requests: ${report.requests}, failed: ${report.failed}; ` +
      `messages: ${report.published} published, ${report.received} received`,
    `connections: ${report.connections.length}, ` +
      `lost: ${report.connections.filter(({ wrong }) => wrong !== undefined).length}`,
  ];
}
