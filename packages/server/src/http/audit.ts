/** The audit log: pages, verification, export. */
import { Readable } from "node:stream";
import { verifyChain } from "../domain/audit-chain.ts";
import type { Services } from "../services.ts";
import { allRecords, listAudit } from "../store/audit-log.ts";
import type { HandlersOf } from "./handler.ts";

export function auditHandlers({
  store,
}: Services): HandlersOf<"audit" | "verifyAudit" | "exportAudit"> {
  return {
    audit: async ({ query }) => await listAudit(store.database, query),
    async verifyAudit() {
      let head: { readonly index: number; readonly digest: string } | undefined;
      let records = 0;
      for await (const page of allRecords(store.database)) {
        const part = verifyChain(page, head === undefined ? {} : { after: head });
        if (!part.intact) return { ...part, records: records + part.records };
        records += page.length;
        const last = page.at(-1);
        if (last !== undefined) head = { index: last.index, digest: last.digest };
      }
      return { ...verifyChain([], head === undefined ? {} : { after: head }), records };
    },
    async exportAudit() {
      const lines = async function* (): AsyncGenerator<string> {
        for await (const page of allRecords(store.database)) {
          yield page.map((record) => `${JSON.stringify(record)}\n`).join("");
        }
      };
      return { text: Readable.from(lines()), fileName: "audit.jsonl" };
    },
  };
}
