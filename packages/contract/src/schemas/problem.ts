/** The body of every error. */
import { type Static, Type } from "typebox";
import { API_ERRORS, type ApiErrorCode } from "../errors.ts";
import { Text } from "./fields.ts";

export const Problem = Type.Object({
  code: Type.Enum(Object.keys(API_ERRORS) as ApiErrorCode[]),
  /** What exactly, for people. */
  detail: Text,
  next: Text,
  /** For the server's log. */
  requestId: Type.Optional(Type.String()),
});
export type Problem = Static<typeof Problem>;
