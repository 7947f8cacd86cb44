/** The catalog and the calendar. */
import type { CalendarRelease, Catalog } from "@suture/contract";
import type { Services } from "../services.ts";
import { appendAudit } from "../store/audit.ts";
import type { ChannelCalendar } from "../store/catalog.ts";
import { loadCatalog } from "../store/catalog.ts";
import { type HandlersOf, personOf } from "./handler.ts";

export function catalogHandlers({
  store,
  parts,
  refreshChannel,
  background,
}: Services): HandlersOf<"catalog" | "refreshCatalog"> {
  const load = async (): Promise<Catalog> => {
    const { calendar, ...rest } = await loadCatalog(store.database);
    return { ...rest, calendar: releasesOf(calendar, parts.now()) };
  };
  return {
    catalog: async () => await load(),
    async refreshCatalog(_, who) {
      await refreshChannel();
      background.decideAll();
      await store.transact(async ({ tx }) => {
        const { label } = personOf(who);
        const object = "release channel";
        await appendAudit(tx, { at: parts.now(), who: label, action: "catalog.refresh", object });
      });
      return await load();
    },
  };
}

const MONTHS_SHOWN = 12;

/** What is planned from this month on, and what was announced for each month. */
export function releasesOf(calendar: ChannelCalendar, now: Date): CalendarRelease[] {
  if (calendar.plannedMonths.length === 0 && calendar.entries.length === 0) return [];
  const first = now.getUTCFullYear() * 12 + now.getUTCMonth();
  return Array.from({ length: MONTHS_SHOWN }, (_, at) => first + at).flatMap((index) => {
    const number = (index % 12) + 1;
    const month = `${Math.floor(index / 12)}-${String(number).padStart(2, "0")}`;
    const entries = calendar.entries.filter(({ date }) => date.startsWith(month));
    const announced = entries.map(({ date, kind, product, note }): CalendarRelease => {
      const text = [product, note].filter((part) => part !== undefined).join(": ");
      return { month, kind, day: date, ...(text !== "" && { note: text }) };
    });
    const isPlanned = calendar.plannedMonths.includes(number);
    const kind = isPlanned ? "baseline" : "hotpatch";
    const isAnnounced = announced.some((entry) => entry.kind === kind || entry.kind === "baseline");
    return isAnnounced ? announced : [{ month, kind }, ...announced];
  });
}
