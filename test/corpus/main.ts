/** `npm run corpus`: builds hotpatches from real security fixes and scores what comes of it. */
import { readFile, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { expectedVerdict, scoreRow } from "./judge.ts";
import { type CorpusRow, parseList } from "./list.ts";
import { openLiveEngine } from "./live.ts";
import { codeDigest, type RowRecord } from "./records.ts";
import { runPackage } from "./run-package.ts";
import { formatScores, isReached } from "./scores.ts";

const HELP = `usage: npm run corpus -- [options]

  --package NAME   only this package's rows (may be repeated)
  --row WORD       only rows with this CVE or patch (may be repeated)
  --list FILE      another list of the same shape
  --json FILE      write one JSON object for each row
  --again          run rows again that are recorded for this code
  --code DIGEST    take records of this code too (see docs/corpus.md)
  --cache DIR      where sources, builds and records are kept

example: npm run corpus -- --package redis --json rows.json
`;

async function main(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      package: { type: "string", multiple: true },
      row: { type: "string", multiple: true },
      list: { type: "string" },
      json: { type: "string" },
      code: { type: "string" },
      cache: { type: "string" },
      again: { type: "boolean" },
      help: { type: "boolean" },
    },
  });
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  const list = values.list ?? join(import.meta.dirname, "security-fixes.tsv");
  const listed = parseList(await readFile(list, "utf8"));
  const rows = listed.filter(
    (row) => isWanted(row.package, values.package) && matches(row, values.row),
  );
  if (rows.length === 0) {
    process.stderr.write("no row of the list is meant\n");
    return 2;
  }
  const env = process.env;
  const cacheFolder = resolve(
    values.cache ?? join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "suture"),
  );
  const engine = openLiveEngine();
  const records: RowRecord[] = [];
  const code = values.code ?? (await codeDigest(join(import.meta.dirname, "../..")));
  for (const name of new Set(rows.map((row) => row.package))) {
    await runPackage(
      name,
      rows.filter((row) => row.package === name),
      {
        ...{ cacheFolder, env, code, engine },
        recordFolder: join(cacheFolder, "corpus"),
        listed: new Set(listed.flatMap((row) => (row.package === name ? row.patches : []))),
        again: values.again ?? false,
        progress: (step) => process.stderr.write(`  ${step}\n`),
        onRecord: (record, row, known) => {
          records.push(record);
          process.stdout.write(`${describe(record, row, known)}\n`);
          if (values.json !== undefined) void saveJson(values.json, records);
        },
      },
    );
  }
  if (values.json !== undefined) await saveJson(values.json, records);
  process.stdout.write(`\n${formatScores(records)}`);
  return isReached(records) ? 0 : 1;
}

const isWanted = (name: string, wanted: readonly string[] | undefined): boolean =>
  wanted === undefined || wanted.includes(name);

const matches = (row: CorpusRow, words: readonly string[] | undefined): boolean =>
  words === undefined ||
  words.some((word) => row.cves.includes(word) || row.patches.includes(word));

function describe(record: RowRecord, row: CorpusRow, known: boolean): string {
  const { verdict, reason = "", functions, seconds } = record;
  const score = scoreRow(row, verdict);
  const wanted = score === "wrong" ? ` instead of ${expectedVerdict(row.class)}` : "";
  const live = verdict === "built" ? (record.reverted ? " live" : " not tried live") : "";
  const shown = record.behaviour === undefined ? "" : ` ${record.behaviour}`;
  const why = record.behaviour === "not-proven" ? ` (${record.behaviourDetail})` : "";
  const time = known ? "known" : `${seconds.toFixed(1)} s`;
  return [
    `${score === "wrong" ? "WRONG" : score} ${record.package} ${record.cve || row.patches[0]}`,
    `(${row.class}): ${verdict}${wanted}${live}${shown}${why} ${reason} ${functions.join(",")} [${time}]`,
  ].join(" ");
}

const saveJson = (file: string, records: readonly RowRecord[]): Promise<void> =>
  writeFile(file, `${records.map((record) => JSON.stringify(record)).join("\n")}\n`);

process.exitCode = await main(process.argv.slice(2));
