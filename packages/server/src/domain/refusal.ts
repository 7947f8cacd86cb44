/** How the domain says no: safe and expected, never thrown. */
import { API_ERRORS, type ApiErrorCode } from "@suture/contract";

export interface Refusal {
  readonly refused: ApiErrorCode;
  /** Names the object and what is in the way. */
  readonly detail: string;
  readonly next: string;
}

/** A refusal with the next step of its code, or a better one. */
export const refuse = (
  refused: ApiErrorCode,
  detail: string,
  next: string = API_ERRORS[refused].next,
): Refusal => ({ refused, detail, next });

export const isRefusal = (value: unknown): value is Refusal =>
  typeof value === "object" && value !== null && "refused" in value;
