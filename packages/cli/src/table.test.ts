import { expect, test } from "vitest";
import { formatTable } from "./table.ts";

const COLUMNS = [
  { title: "PID", align: "right" },
  { title: "NAME", cutTo: 4 },
  { title: "WHY", cutTo: 6 },
] as const;
const ROWS = [
  ["7", "short", "a reason of some length"],
  ["12345", "a-long-name", "none"],
];

test("lays out columns without limit where no width is known", () => {
  expect(formatTable(COLUMNS, ROWS, undefined)).toEqual([
    "  PID  NAME         WHY",
    "    7  short        a reason of some length",
    "12345  a-long-name  none",
  ]);
});

test("cuts the widest columns first, and none below its minimum", () => {
  expect(formatTable(COLUMNS, ROWS, 30)).toEqual([
    "  PID  NAME        WHY",
    "    7  short       a reason o…",
    "12345  a-long-na…  none",
  ]);
  for (const width of [19, 1])
    expect(formatTable(COLUMNS, ROWS, width)).toEqual([
      "  PID  NAME  WHY",
      "    7  sho…  a rea…",
      "12345  a-l…  none",
    ]);
});
