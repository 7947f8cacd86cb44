/** A refusal of the domain, as the answer to a request. */
import { isRefusal, type Refusal } from "../domain/refusal.ts";
import { RequestError } from "../errors.ts";

/** The value, or RequestError with the refusal's code, detail and next step. */
export function orRefuse<Value>(value: Value | Refusal): Value {
  if (isRefusal(value)) throw new RequestError(value.refused, value.detail, { next: value.next });
  return value;
}

/** Throws where there is a refusal. */
export function refuseIf(refusal: Refusal | undefined): void {
  if (refusal !== undefined) orRefuse<never>(refusal);
}

/** What there must be. Throws RequestError `not-found`. */
export function found<Value>(value: Value | undefined, what: string): Value {
  if (value === undefined) throw new RequestError("not-found", `there is no ${what}`);
  return value;
}
