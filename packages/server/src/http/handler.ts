/** What a route's handler gets and gives. */
import assert from "node:assert/strict";
import type { Readable } from "node:stream";
import type { Answer, Permission, Request, Role, RouteName } from "@suture/contract";
import type { FastifyReply, FastifyRequest } from "fastify";

/** Who asks. */
export type Principal = { readonly kind: "nobody" } | Person | SigningDevice;

/** A device, by its signature. */
export interface SigningDevice {
  readonly kind: "device";
  readonly id: string;
  /** Of the request; never accepted twice. */
  readonly nonce: string;
}

/** An account, or an API token. */
export interface Person {
  readonly kind: "account" | "token";
  readonly id: string;
  /** The account; of a token, the one that made it. Author is never approver by this name. */
  readonly login: string;
  readonly name: string;
  /** For the audit log: an account's login, and which token. */
  readonly label: string;
  readonly roles: readonly Role[];
  readonly permissions: ReadonlySet<Permission>;
}

export interface Asked {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

/** The person who asks, on a route that only people may use. */
export function personOf(who: Principal): Person {
  assert(who.kind === "account" || who.kind === "token", "the route's access asked for a person");
  return who;
}

/** The device that asks, on a route for devices. */
export function deviceOf(who: Principal): SigningDevice {
  assert(who.kind === "device", "the route's access asked for a device");
  return who;
}

/** A text that is not JSON, whole or in parts. */
export interface TextAnswer {
  readonly text: string | Readable;
  /** A file's name, where a browser is to save it. */
  readonly fileName?: string;
}

type Parts<Name extends RouteName> = Required<Request<Name>>;

export type Handler<Name extends RouteName> = (
  parts: Parts<Name>,
  who: Principal,
  asked: Asked,
) => Promise<Answer<Name> | TextAnswer>;

export type Handlers = { readonly [Name in RouteName]: Handler<Name> };
/** The handlers of one group of routes. */
export type HandlersOf<Names extends RouteName> = Pick<Handlers, Names>;
