/** Maintenance windows: weekly, in the device's own time. */
import type { MaintenanceWindow } from "@suture/contract";

/** A moment of a week, as clocks on the wall show it. */
export interface WeekTime {
  /** 0 is Sunday. */
  readonly day: number;
  /** Since midnight, 0 to 1439. */
  readonly minute: number;
}

export const dayMinutes = 24 * 60;

/** Whether the moment lies in one of the windows. The end is outside; begin equal to end is a day. */
export const isInWindow = (windows: readonly MaintenanceWindow[], time: WeekTime): boolean =>
  windows.some((window) => {
    const begin = minuteOf(window.begin);
    const end = minuteOf(window.end);
    const isToday = window.days.includes(time.day);
    if (begin < end) return isToday && time.minute >= begin && time.minute < end;
    // It ends the next day, which may be in the next week.
    const wasYesterday = window.days.includes((time.day + 6) % 7);
    return (isToday && time.minute >= begin) || (wasYesterday && time.minute < end);
  });

/** `22:00` as minutes since midnight. */
const minuteOf = (text: string): number => Number(text.slice(0, 2)) * 60 + Number(text.slice(3));

/** In the time zone that this process runs in. */
export const weekTimeOf = (date: Date): WeekTime => ({
  day: date.getDay(),
  minute: date.getHours() * 60 + date.getMinutes(),
});
