/** A look at a whole channel as a new client sees it, and at what a client would not notice. */

import type { Catalog } from "../client/catalog.ts";
import { type Fetch, openReleaseClient } from "../client/client.ts";
import { ReleaseError, type ReleaseProblem } from "../errors.ts";
import { canonicalBytes, sha256Of } from "../metadata/canonical.ts";
import { targetPath } from "../metadata/metadata.ts";

export interface VerifyRequest {
  /** The pinned root: the chain of roots is followed from here. */
  readonly root: Uint8Array;
  readonly fetch: Fetch;
  readonly now: Date;
}

export interface VerifyFinding {
  readonly subject: string;
  readonly reason: ReleaseProblem;
  readonly detail: string;
}

export interface RepositoryReport {
  readonly catalog?: Catalog;
  /** How many targets were fetched and found right. */
  readonly targets: number;
  /** Empty: all is as it was signed. */
  readonly findings: readonly VerifyFinding[];
}

/** Verifies all metadata and the bytes of every target. Findings are values, never thrown. */
export async function verifyRepository(request: VerifyRequest): Promise<RepositoryReport> {
  const kept = new Map<string, Uint8Array>();
  const client = openReleaseClient({
    root: request.root,
    fetch: request.fetch,
    now: () => request.now,
    storage: {
      read: async (name) => kept.get(name),
      write: async (name, bytes) => void kept.set(name, bytes),
    },
  });
  const findings: VerifyFinding[] = [];
  const attempt = async <Value>(subject: string, act: () => Promise<Value>) => {
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof ReleaseError)) throw error;
      findings.push({ subject, reason: error.code, detail: error.message });
      return undefined;
    }
  };
  const catalog = await attempt("channel", client.update);
  if (catalog === undefined) return { targets: 0, findings };
  for (const { name, problem } of catalog.products) {
    if (problem !== undefined) findings.push({ subject: name, ...problem });
  }
  let targets = 0;
  const count = async (subject: string, act: () => Promise<unknown>) => {
    if ((await attempt(subject, act)) !== undefined) targets += 1;
  };
  await count("calendar.json", async () => await fetchCalendar(request, catalog));
  for (const { target, withdrawn } of catalog.updates) {
    if (withdrawn === undefined) await count(target, async () => await client.download(target));
  }
  return { catalog, targets, findings };
}

async function fetchCalendar({ fetch }: VerifyRequest, { calendar }: Catalog): Promise<Uint8Array> {
  const expected = canonicalBytes(calendar);
  const path = targetPath("calendar.json", sha256Of(expected));
  const bytes = await fetch(path, expected.length);
  if (bytes === undefined) throw new ReleaseError("file-missing", path, "no such file");
  if (sha256Of(bytes) !== sha256Of(expected)) {
    throw new ReleaseError("wrong-content", path, `${bytes.length} bytes`);
  }
  return bytes;
}
