/** For tests of what a program that is killed leaves: it ends at each of its writes in turn. */
import type { RepositoryFiles } from "../files/repository-files.ts";

class Killed extends Error {}

/** Counts writes and removals, and ends the program right before the one of this number. */
function fuse(count: number) {
  let left = count;
  return () => {
    if (left === 0) throw new Killed("killed");
    left -= 1;
  };
}

/** Files that call `step` before each write and removal. */
export function fusedFiles(files: RepositoryFiles, step: () => void): RepositoryFiles {
  return {
    ...files,
    write: async (path, bytes) => {
      step();
      await files.write(path, bytes);
    },
    remove: async (path) => {
      step();
      await files.remove(path);
    },
  };
}

/** Runs the act with ever longer fuses until it gets through; looks at what each death left. */
export async function killEverywhere(
  act: (step: () => void) => Promise<unknown>,
  afterDeath: (count: number) => Promise<void>,
): Promise<number> {
  for (let count = 0; ; count += 1) {
    try {
      await act(fuse(count));
      return count;
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
      await afterDeath(count);
    }
  }
}
