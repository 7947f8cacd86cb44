/** The connection on which a server hears signals of all servers over one PostgreSQL. */
import pg from "pg";

export interface ListenerOptions {
  readonly url: string;
  readonly channel: string;
  readonly heard: (signal: string) => void;
  readonly report: (error: unknown) => void;
}

/** Said after the connection was lost: whatever was signalled meanwhile was not heard. */
export const MISSED_SIGNALS = "missed";

const againAfterMs = 500;

/** Listens until it is closed; a connection that is lost is made again. */
export async function listenToSignals(
  options: ListenerOptions,
): Promise<{ readonly close: () => Promise<void> }> {
  let isClosed = false;
  let timer: NodeJS.Timeout | undefined;
  let client: pg.Client | undefined;

  const connect = async (): Promise<void> => {
    const next = new pg.Client({ connectionString: options.url });
    let isLost = false;
    const lost = (error?: unknown): void => {
      if (isClosed || isLost) return;
      isLost = true;
      if (error !== undefined) options.report(error);
      void next.end().catch(options.report);
      timer = setTimeout(again, againAfterMs);
    };
    next.on("error", lost);
    next.on("end", () => lost());
    next.on("notification", ({ payload }) => options.heard(payload ?? ""));
    await next.connect();
    await next.query(`listen ${next.escapeIdentifier(options.channel)}`);
    client = next;
  };
  const again = (): void => {
    connect().then(
      () => options.heard(MISSED_SIGNALS),
      (error: unknown) => {
        options.report(error);
        if (!isClosed) timer = setTimeout(again, againAfterMs);
      },
    );
  };
  await connect();
  return {
    async close() {
      isClosed = true;
      clearTimeout(timer);
      await client?.end();
    },
  };
}
