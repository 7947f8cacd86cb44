/** The handlers of all routes. */
import type { Services } from "../services.ts";
import { accountHandlers } from "./accounts.ts";
import { apiTokenHandlers } from "./api-tokens.ts";
import { auditHandlers } from "./audit.ts";
import { catalogHandlers } from "./catalog.ts";
import { deviceRequestHandlers } from "./device-requests.ts";
import { deviceHandlers } from "./devices.ts";
import { enrolmentTokenHandlers } from "./enrolment-tokens.ts";
import { groupHandlers } from "./groups.ts";
import type { Handlers } from "./handler.ts";
import { policyHandlers } from "./policies.ts";
import { reportHandlers } from "./reports.ts";
import { ringHandlers } from "./rings.ts";
import { rolloutHandlers } from "./rollouts.ts";
import { serverStateHandlers } from "./server-state.ts";
import { sessionHandlers } from "./sessions.ts";

export const createHandlers = (services: Services): Handlers => ({
  ...deviceRequestHandlers(services),
  ...sessionHandlers(services),
  ...deviceHandlers(services),
  ...enrolmentTokenHandlers(services),
  ...groupHandlers(services),
  ...ringHandlers(services),
  ...policyHandlers(services),
  ...catalogHandlers(services),
  ...rolloutHandlers(services),
  ...reportHandlers(services),
  ...auditHandlers(services),
  ...accountHandlers(services),
  ...apiTokenHandlers(services),
  ...serverStateHandlers(services),
});
