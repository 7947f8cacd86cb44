/** What a route is. Server, client, OpenAPI and the authorization tests come from the same table. */
import type { TSchema } from "typebox";
import type { ApiErrorCode } from "./errors.ts";
import type { Permission } from "./names.ts";

/** Who may ask: anybody, whoever is signed in, a device by its signature, or a permission. */
export type Access =
  | { readonly who: "anybody" }
  | { readonly who: "signed-in" }
  | { readonly who: "device" }
  | { readonly who: "permission"; readonly permission: Permission };

export interface Route {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** With `:name` for parts that differ. */
  readonly path: string;
  /** A sentence for OpenAPI and for `suture admin`. */
  readonly summary: string;
  readonly access: Access;
  readonly params?: TSchema;
  readonly query?: TSchema;
  readonly body?: TSchema;
  /** Absent: 204 without a body. */
  readonly answer?: TSchema;
  /** Besides bad-request, too-large, not-signed-in and not-permitted, which follow from the rest. */
  readonly errors: readonly ApiErrorCode[];
  /** Answers with something else than JSON: `text/event-stream`, `text/csv`. */
  readonly contentType?: string;
}

export const anybody: Access = { who: "anybody" };
export const signedIn: Access = { who: "signed-in" };
export const device: Access = { who: "device" };
export const having = (permission: Permission): Access => ({ who: "permission", permission });
