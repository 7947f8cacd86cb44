/** What is over is forgotten. */
import type { Database } from "./store.ts";

/** Nonces whose signatures are too old by now, and sessions that ended. */
export async function forgetOver(database: Database, now: Date): Promise<void> {
  await database.deleteFrom("nonces").where("expires_at", "<", now).execute();
  await database.deleteFrom("sessions").where("expires_at", "<=", now).execute();
}
