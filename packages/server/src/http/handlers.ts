/** The handlers of all routes. */
import type { Services } from "../services.ts";
import { deviceRequestHandlers } from "./device-requests.ts";
import { deviceHandlers } from "./devices.ts";
import { enrolmentTokenHandlers } from "./enrolment-tokens.ts";
import type { Handlers } from "./handler.ts";
import { sessionHandlers } from "./sessions.ts";

export const createHandlers = (services: Services): Handlers =>
  ({
    ...deviceRequestHandlers(services),
    ...sessionHandlers(services),
    ...deviceHandlers(services),
    ...enrolmentTokenHandlers(services),
  }) as Handlers;
