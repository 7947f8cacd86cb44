export { createApp } from "./app.ts";
export { type ControlKey, controlKeyOf } from "./control-key.ts";
export { DEMO_PASSWORD, FIRST_ADMIN } from "./first-accounts.ts";
export type { Parts } from "./parts.ts";
export { type RunningServer, type StartOptions, startServer } from "./start.ts";
export { StoreError } from "./store/errors.ts";
export { openPGliteStore, openPostgresStore, type Store } from "./store/store.ts";
