/** Long lists come in pages, by a cursor that the server made. */
import { type TSchema, Type } from "typebox";
import { ComplianceState, Readiness } from "../names.ts";
import { Count, Cve, Id, oneOf, Serial, Tag, TargetPath } from "./fields.ts";

const Cursor = Type.String({ maxLength: 200 });

export const PageQuery = Type.Object(
  {
    cursor: Type.Optional(Cursor),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500 })),
  },
  { additionalProperties: false },
);

export const pageOf = <Item extends TSchema>(item: Item) =>
  Type.Object({
    items: Type.Array(item),
    /** Absent on the last page. */
    next: Type.Optional(Cursor),
    /** Of all pages. */
    total: Count,
  });

export const DeviceQuery = Type.Object(
  {
    ...PageQuery.properties,
    /** Part of the hostname. */
    search: Type.Optional(Type.String({ maxLength: 100 })),
    ringId: Type.Optional(Id),
    groupId: Type.Optional(Id),
    tag: Type.Optional(Tag),
    readiness: Type.Optional(oneOf(Readiness)),
    compliance: Type.Optional(oneOf(ComplianceState)),
    /** Exposed to it still. */
    cve: Type.Optional(Cve),
    sort: Type.Optional(Type.Enum(["hostname", "last-seen", "compliance"])),
  },
  { additionalProperties: false },
);

export const AuditQuery = Type.Object(
  {
    ...PageQuery.properties,
    who: Type.Optional(Type.String({ maxLength: 100 })),
    action: Type.Optional(Type.String({ maxLength: 100 })),
    from: Type.Optional(Serial),
  },
  { additionalProperties: false },
);

export const ById = Type.Object({ id: Id }, { additionalProperties: false });
export const ByTarget = Type.Object(
  { target: Type.Optional(TargetPath) },
  { additionalProperties: false },
);
