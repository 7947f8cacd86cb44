/** Errors as bodies: Problem with the request's id. Unexpected ones are logged and say nothing. */
import { API_ERRORS, type ApiErrorCode, type Problem } from "@suture/contract";
import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { RequestError } from "../errors.ts";

/** Answers with what is wrong. */
export function answerProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const { code, message, next, retryAfterSeconds } = requestErrorOf(error);
  if (code === "server-error") request.log.error({ err: error }, "a request failed");
  const problem: Problem = { code, detail: printable(message), next, requestId: request.id };
  if (retryAfterSeconds !== undefined) reply.header("retry-after", retryAfterSeconds);
  reply.code(API_ERRORS[code].status).type("application/json").send(JSON.stringify(problem));
}

export function requestErrorOf(error: unknown): RequestError {
  if (error instanceof RequestError) return error;
  if (!(error instanceof Error)) return new RequestError("server-error");
  const { code = "", validation, validationContext } = error as Partial<FastifyError>;
  if (validation !== undefined) {
    const [first] = validation;
    const place = `${validationContext ?? "request"}${first?.instancePath ?? ""}`;
    return new RequestError("bad-request", `${place}: ${first?.message ?? "not as it must be"}`);
  }
  const known = FASTIFY_CODES[code];
  if (known !== undefined) return new RequestError(known, error.message);
  if (UNREACHABLE.test(code)) return new RequestError("unavailable");
  return new RequestError("server-error");
}

const FASTIFY_CODES: Readonly<Record<string, ApiErrorCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: "too-large",
  FST_ERR_CTP_INVALID_MEDIA_TYPE: "bad-request",
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: "bad-request",
  FST_ERR_CTP_EMPTY_JSON_BODY: "bad-request",
  FST_ERR_CTP_INVALID_JSON_BODY: "bad-request",
  FST_ERR_BAD_URL: "bad-request",
  FST_ERR_MAX_PARAM_LENGTH: "bad-request",
};

/** The system's words for no connection, and PostgreSQL's classes 08, 53 and 57P. */
const UNREACHABLE = /^(?:ECONNREFUSED|ECONNRESET|ENOENT|ETIMEDOUT|EPIPE|08...|53...|57P..)$/;

/** A detail may quote the request: without control characters, and not too long. */
const printable = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is to be removed.
  text.replace(/[\u0000-\u001f\u007f]+/g, " ").slice(0, 2000);
