/** Checks values against the contract's schemas, with complaints that name the field. */
import type { Static, TSchema } from "typebox";
import { Check, Errors } from "typebox/value";

export interface FieldComplaint {
  /** Names and indexes on the way to the field; empty for the whole value. */
  readonly path: readonly string[];
  readonly text: string;
}

/** The value as the schema says, or why it is not. A value has at least one complaint then. */
export function checked<Schema extends TSchema>(
  schema: Schema,
  value: unknown,
): { readonly value: Static<Schema> } | { readonly complaints: readonly FieldComplaint[] } {
  return Check(schema, value) ? { value } : { complaints: complaintsOf(schema, value) };
}

type SchemaError = ReturnType<typeof Errors>[number];

function complaintsOf(schema: TSchema, value: unknown): FieldComplaint[] {
  const errors = Errors(schema, value).filter(({ keyword }) => keyword !== "boolean");
  const plain = errors.filter(({ schemaPath }) => !schemaPath.includes("/anyOf/"));
  const found = plain.flatMap(complaintsOfError);
  // Of the forms of a union only the deepest place says something: each form has its own errors.
  const [deepest] = errors
    .filter(({ schemaPath }) => schemaPath.includes("/anyOf/"))
    .map(({ instancePath }) => pathOf(instancePath))
    .sort((a, b) => b.length - a.length);
  if (deepest === undefined) return found;
  const text = `this is none of the forms that are possible here${formsText(deepest)}`;
  return [...found.filter(({ path }) => !startsWith(deepest, path)), { path: deepest, text }];
}

const formsText = (path: readonly string[]): string =>
  path.includes("scope")
    ? ": one of all, any, not, tag, package, buildId, readiness, system, hostname"
    : "";

const startsWith = (path: readonly string[], beginning: readonly string[]): boolean =>
  beginning.every((name, at) => path[at] === name);

function complaintsOfError(error: SchemaError): FieldComplaint[] {
  const path = pathOf(error.instancePath);
  switch (error.keyword) {
    case "additionalProperties":
      return error.params.additionalProperties.map((name) => ({
        path: [...path, name],
        text: "there is no such field",
      }));
    case "required":
      return [{ path, text: `missing: ${error.params.requiredProperties.join(", ")}` }];
    case "enum":
      return [{ path, text: `must be one of ${error.params.allowedValues.join(", ")}` }];
    default:
      return [{ path, text: error.message }];
  }
}

/** Of a JSON pointer (RFC 6901, 4). */
const pathOf = (pointer: string): string[] =>
  pointer
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
