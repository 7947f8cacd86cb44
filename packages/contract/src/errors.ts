/** Every error that the API answers with: code, HTTP status, what it means, what to do next. */

export const API_ERRORS = {
  "bad-request": {
    status: 400,
    meaning: "the request is not what the route takes",
    next: "compare it with the schema at /v1/openapi.json",
  },
  "not-signed-in": {
    status: 401,
    meaning: "there is no valid session, API token or device signature",
    next: "sign in, or send a valid token",
  },
  "wrong-password": {
    status: 401,
    meaning: "login and password do not belong together, or the account is disabled",
    next: "try again, or ask an admin",
  },
  "token-invalid": {
    status: 401,
    meaning: "the enrolment token is unknown, used up or expired",
    next: "make a new one: suture admin token new",
  },
  "signature-invalid": {
    status: 401,
    meaning: "the device's signature is missing, wrong, too old or was used before",
    next: "compare the clocks; if the device was removed, enrol it again",
  },
  "not-permitted": {
    status: 403,
    meaning: "no role of the account has this permission",
    next: "ask an admin for the role",
  },
  "author-is-approver": {
    status: 403,
    meaning: "whoever wrote a rollout may not approve it",
    next: "ask another approver",
  },
  "wrong-origin": {
    status: 403,
    meaning: "a page of another site sent the request",
    next: "open the console itself",
  },
  "not-found": { status: 404, meaning: "there is no such thing", next: "look at the list" },
  conflict: {
    status: 409,
    meaning: "it does not go with what is there",
    next: "load it again and mend the request",
  },
  "not-now": {
    status: 409,
    meaning: "the state of the rollout does not allow it",
    next: "look at the state and at what is allowed",
  },
  "in-use": {
    status: 409,
    meaning: "something else refers to it",
    next: "remove the reference first",
  },
  "too-large": {
    status: 413,
    meaning: "the request is longer than it may be",
    next: "send it in parts",
  },
  "too-many-requests": {
    status: 429,
    meaning: "too many requests in a short time",
    next: "wait as long as Retry-After says",
  },
  "server-error": {
    status: 500,
    meaning: "a fault of the server",
    next: "look into its log with the request's number, and report it",
  },
  "channel-not-trusted": {
    status: 502,
    meaning: "the release channel could not be verified",
    next: "look with: suture release verify",
  },
  unavailable: {
    status: 503,
    meaning: "the database cannot be reached, or the server is ending",
    next: "try again",
  },
} as const;
export type ApiErrorCode = keyof typeof API_ERRORS;
