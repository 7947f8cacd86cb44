/** A moment: how long ago or until, and the exact moment on hover. */
import { createContext, type ReactNode, useContext, useEffect, useState } from "react";
import { exactTime, relativeTime } from "./numbers.ts";

const NowContext = createContext(0);
const TICK_MS = 15_000;

/** Gives all moments on the page one clock. */
export function Clock({ children }: { readonly children: ReactNode }) {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = window.setInterval(() => setNow(Date.now()), TICK_MS);
    return () => window.clearInterval(timer);
  }, []);
  return <NowContext.Provider value={now}>{children}</NowContext.Provider>;
}

export const useNow = (): number => useContext(NowContext);

export function When({
  at,
  none = "never",
}: {
  readonly at?: string | undefined;
  readonly none?: string;
}) {
  const now = useNow();
  if (at === undefined) return <span className="quiet">{none}</span>;
  const moment = Date.parse(at);
  return (
    <time dateTime={at} title={exactTime(moment)} className="when">
      {relativeTime(moment, Math.max(now, Date.now()))}
    </time>
  );
}

/** A moment, and below it by whom. */
export const WhenBy = ({ at, by }: { readonly at: string; readonly by: string }) => (
  <>
    <When at={at} />
    <span className="second">{by}</span>
  </>
);
