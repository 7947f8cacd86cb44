/** The files that processes run, each with the processes that run it: components of this machine. */
import type { MappedFile, RunningProcess } from "./scan.ts";

export interface RunningComponent {
  readonly buildId: string;
  /** Where the most processes see it. */
  readonly file: string;
  readonly processes: readonly ComponentProcess[];
}

export interface ComponentProcess {
  readonly process: RunningProcess;
  /** It runs a file that is deleted or replaced. */
  readonly outdated: boolean;
}

/** One component for each Build-ID, in the order of their files. */
export function componentsOf(processes: readonly RunningProcess[]): RunningComponent[] {
  const found = new Map<string, { file: MappedFile; processes: ComponentProcess[] }>();
  for (const process of processes) {
    for (const file of process.files) {
      const entry = found.get(file.buildId) ?? { file, processes: [] };
      found.set(file.buildId, entry);
      if (entry.file.outdated && !file.outdated) entry.file = file;
      // A file that is mapped twice by different names counts once.
      if (entry.processes.at(-1)?.process === process) continue;
      entry.processes.push({ process, outdated: file.outdated });
    }
  }
  return [...found]
    .map(([buildId, entry]) => ({
      buildId,
      file: entry.file.path,
      processes: entry.processes,
    }))
    .sort((a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : 0));
}
