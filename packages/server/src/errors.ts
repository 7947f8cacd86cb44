/** A request that is answered with an error of the contract's table. */
import { API_ERRORS, type ApiErrorCode } from "@suture/contract";

export class RequestError extends Error {
  override readonly name = "RequestError";
  readonly code: ApiErrorCode;
  readonly next: string;
  /** For Retry-After. */
  readonly retryAfterSeconds: number | undefined;

  constructor(
    code: ApiErrorCode,
    detail: string = API_ERRORS[code].meaning,
    { next, retryAfterSeconds }: { next?: string; retryAfterSeconds?: number } = {},
  ) {
    super(detail);
    this.code = code;
    this.next = next ?? API_ERRORS[code].next;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}
