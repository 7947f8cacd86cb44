/** The release calendar: data that the channel's targets keys sign. */
import { dayOf, integerOf, listOf, matching, objectOf, oneOf, textOf, wrong } from "./fields.ts";
import { baselinePattern, productPattern, UpdateKind } from "./update-entry.ts";

export interface Calendar {
  readonly format: 1;
  /** Months (1 to 12) with a planned baseline; in the others a hotpatch is planned. */
  readonly plannedMonths: readonly number[];
  /** Announced dates. An extra baseline is one of kind `baseline` in any other month. */
  readonly entries: readonly CalendarEntry[];
}

export interface CalendarEntry {
  /** `2026-10-13`. */
  readonly date: string;
  readonly kind: UpdateKind;
  /** All products, where it is absent. */
  readonly product?: string;
  readonly baseline?: string;
  readonly note?: string;
}

export const DEFAULT_CALENDAR: Calendar = { format: 1, plannedMonths: [1, 4, 7, 10], entries: [] };

const entriesMax = 5000;

/** Reads the calendar, field by field; refuses what it does not know. Throws ReleaseError. */
export function parseCalendar(value: unknown, field: string): Calendar {
  const fields = objectOf(value, field, ["format", "plannedMonths", "entries"]);
  if (fields.format !== 1) throw wrong(`${field}.format`, "expected 1");
  const months = listOf(fields.plannedMonths, `${field}.plannedMonths`, 12).map((month, at) =>
    integerOf(month, `${field}.plannedMonths[${at}]`, { min: 1, max: 12 }),
  );
  if (months.some((month, at) => at > 0 && month <= (months[at - 1] ?? 0))) {
    throw wrong(`${field}.plannedMonths`, "expected ascending months");
  }
  const entries = listOf(fields.entries, `${field}.entries`, entriesMax);
  return {
    format: 1,
    plannedMonths: months,
    entries: entries.map((entry, at) => parseEntry(entry, `${field}.entries[${at}]`)),
  };
}

function parseEntry(value: unknown, field: string): CalendarEntry {
  const fields = objectOf(value, field, ["date", "kind"], ["product", "baseline", "note"]);
  return {
    date: dayOf(fields.date, `${field}.date`),
    kind: oneOf(fields.kind, `${field}.kind`, Object.values(UpdateKind)),
    ...("product" in fields && {
      product: matching(fields.product, `${field}.product`, productPattern),
    }),
    ...("baseline" in fields && {
      baseline: matching(fields.baseline, `${field}.baseline`, baselinePattern),
    }),
    ...("note" in fields && { note: textOf(fields.note, `${field}.note`) }),
  };
}

export interface PlannedRelease {
  /** `2026-10`. */
  readonly month: string;
  readonly kind: "baseline" | "hotpatch";
  /** What is announced for this month and product. */
  readonly entries: readonly CalendarEntry[];
}

/**
 * What the calendar plans for a product, month by month.
 *
 * `from` is `2026-10`, `count` the number of months. A month with an announced baseline has one,
 * whether it is a planned month or not.
 */
export function plannedReleases(
  calendar: Calendar,
  {
    product,
    from,
    count,
  }: { readonly product: string; readonly from: string; readonly count: number },
): PlannedRelease[] {
  const [year = 0, first = 1] = from.split("-").map(Number);
  return Array.from({ length: count }, (_, at) => {
    const index = year * 12 + first - 1 + at;
    const number = (index % 12) + 1;
    const month = `${Math.floor(index / 12)}-${String(number).padStart(2, "0")}`;
    const entries = calendar.entries.filter(
      (entry) => entry.date.startsWith(month) && (entry.product ?? product) === product,
    );
    const isBaseline =
      calendar.plannedMonths.includes(number) || entries.some(({ kind }) => kind === "baseline");
    return { month, kind: isBaseline ? "baseline" : "hotpatch", entries };
  });
}
