/** The declarative document of `suture admin apply`: rings, groups and policies by their names. */
import { GroupDraft, Id, LIST_MAX, Name, PolicyDraft, RingDraft } from "@suture/contract";
import { type Static, Type } from "typebox";
import { isAlias, isNode, isPair, LineCounter, type Node, parseDocument, visit } from "yaml";
import { checked } from "./check.ts";

const { name, description, scope } = GroupDraft.properties;
const { precedence, settings, gates } = PolicyDraft.properties;

export const GroupDocument = Type.Object(
  {
    name,
    description,
    scope,
    /** Hostnames or ids: a fixed list. */
    devices: Type.Optional(Type.Array(Type.Union([Name, Id]), { maxItems: 10 * LIST_MAX })),
  },
  { additionalProperties: false },
);
export type GroupDocument = Static<typeof GroupDocument>;

export const PolicyDocument = Type.Object(
  {
    name,
    description,
    /** Names of groups. None: every device. */
    groups: Type.Array(Name, { maxItems: 100, uniqueItems: true }),
    precedence,
    settings,
    gates,
  },
  { additionalProperties: false },
);
export type PolicyDocument = Static<typeof PolicyDocument>;

/** A section that is absent is left as it is on the server. */
export const FleetDocument = Type.Object(
  {
    rings: Type.Optional(Type.Array(RingDraft, { maxItems: 101 })),
    groups: Type.Optional(Type.Array(GroupDocument, { maxItems: LIST_MAX })),
    policies: Type.Optional(Type.Array(PolicyDocument, { maxItems: LIST_MAX })),
  },
  { additionalProperties: false },
);
export type FleetDocument = Static<typeof FleetDocument>;

export interface DocumentComplaint {
  /** Counted from 1. */
  readonly line: number;
  readonly text: string;
}

export interface ParsedDocument {
  readonly document: FleetDocument;
  /** The line of the entry at a place such as `policies`, 0. */
  readonly lineOf: (path: readonly (string | number)[]) => number;
}

export const DOCUMENT_BYTES_MAX = 2 * 1024 * 1024;
const complaintsMax = 20;

/**
 * Reads a document (YAML 1.2, core schema). Refused with line numbers: broken YAML, a key twice,
 * anchors, aliases, tags, more than one document, fields that the contract does not have, values
 * that it does not take, a name twice in a section.
 */
export function parseFleetDocument(
  text: string,
): ParsedDocument | { readonly complaints: readonly DocumentComplaint[] } {
  const lines = new LineCounter();
  const yaml = parseDocument(text, {
    version: "1.2",
    schema: "core",
    strict: true,
    uniqueKeys: true,
    lineCounter: lines,
    prettyErrors: false,
  });
  const lineAt = (offset: number | undefined): number => lines.linePos(offset ?? 0).line || 1;
  const broken = [...yaml.errors, ...yaml.warnings].map(({ pos, message }) => ({
    line: lineAt(pos[0]),
    text: message,
  }));
  const forbidden = [...broken, ...forbiddenIn(yaml.contents, lineAt)];
  if (forbidden.length > 0) return { complaints: forbidden.slice(0, complaintsMax) };
  const lineOf = (path: readonly (string | number)[]): number =>
    lineAt(offsetOf(yaml.contents, path));
  const result = checked(FleetDocument, yaml.toJS({ maxAliasCount: 0 }) ?? {});
  if ("complaints" in result) {
    const complaints = result.complaints.map(({ path, text: why }) => ({
      line: lineOf(path),
      text: path.length === 0 ? why : `${path.join(".")}: ${why}`,
    }));
    return { complaints: complaints.slice(0, complaintsMax) };
  }
  const document = result.value;
  const complaints = namesAndMembers(document, lineOf);
  return complaints.length > 0 ? { complaints } : { document, lineOf };
}

function forbiddenIn(
  contents: Node | null,
  lineAt: (offset: number | undefined) => number,
): DocumentComplaint[] {
  const found: DocumentComplaint[] = [];
  visit(contents, {
    Node(_, node) {
      const line = lineAt(node.range?.[0]);
      if (isAlias(node)) found.push({ line, text: "aliases are refused: write it out" });
      else if (node.anchor !== undefined) found.push({ line, text: "anchors are refused" });
      if (node.tag !== undefined) found.push({ line, text: `tags are refused: ${node.tag}` });
    },
  });
  return found;
}

/** Where a value begins; of a field its name. The nearest place above it, where there is none. */
function offsetOf(root: unknown, path: readonly (string | number)[]): number | undefined {
  let node = root;
  let offset = isNode(node) ? node.range?.[0] : undefined;
  for (const step of path) {
    if (typeof node !== "object" || node === null || !("items" in node)) return offset;
    if (!Array.isArray(node.items)) return offset;
    const pairs: unknown[] = node.items;
    const pair = pairs.find((item) => isPair(item) && String(item.key) === String(step));
    const next = isPair(pair) ? pair.value : pairs[Number(step)];
    const place = isPair(pair) ? pair.key : next;
    if (!isNode(place) || place.range?.[0] === undefined) return offset;
    offset = place.range[0];
    node = next;
  }
  return offset;
}

function namesAndMembers(
  { rings = [], groups = [], policies = [] }: FleetDocument,
  lineOf: ParsedDocument["lineOf"],
): DocumentComplaint[] {
  const twice = Object.entries({ rings, groups, policies }).flatMap(([section, entries]) =>
    entries.flatMap((entry, at) =>
      entries.findIndex((other) => other.name === entry.name) === at
        ? []
        : [
            {
              line: lineOf([section, at, "name"]),
              text: `${section}: ${entry.name} is there twice`,
            },
          ],
    ),
  );
  const members = groups.flatMap(({ name: group, devices, scope: condition }, at) =>
    (devices === undefined) === (condition === undefined)
      ? [{ line: lineOf(["groups", at]), text: `${group}: exactly one of devices and scope` }]
      : [],
  );
  return [...twice, ...members];
}
