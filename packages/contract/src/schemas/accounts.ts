/** People and programs that use the control plane. */
import { type Static, Type } from "typebox";
import { Permission, Role } from "../names.ts";
import { Id, Moment, Name, oneOf } from "./fields.ts";

const Login = Type.String({ pattern: "^[a-z][a-z0-9._-]{1,62}$" });
const Password = Type.String({ minLength: 12, maxLength: 1000 });
const Roles = Type.Array(oneOf(Role), { minItems: 1, maxItems: 6, uniqueItems: true });

export const SignIn = Type.Object(
  { login: Login, password: Type.String({ maxLength: 1000 }) },
  { additionalProperties: false },
);
export type SignIn = Static<typeof SignIn>;

/** Who asks, and what they may do. */
export const Me = Type.Object({
  login: Type.String(),
  name: Name,
  roles: Type.Array(oneOf(Role)),
  permissions: Type.Array(oneOf(Permission)),
  kind: Type.Enum(["account", "token"]),
});
export type Me = Static<typeof Me>;

export const AccountDraft = Type.Object(
  { login: Login, name: Name, roles: Roles, password: Password },
  { additionalProperties: false },
);
export type AccountDraft = Static<typeof AccountDraft>;

export const AccountChange = Type.Object(
  {
    name: Type.Optional(Name),
    roles: Type.Optional(Roles),
    password: Type.Optional(Password),
    disabled: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
);
export type AccountChange = Static<typeof AccountChange>;

export const Account = Type.Object({
  id: Id,
  login: Login,
  name: Name,
  roles: Type.Array(oneOf(Role)),
  disabled: Type.Boolean(),
  createdAt: Moment,
  lastSignInAt: Type.Optional(Moment),
});
export type Account = Static<typeof Account>;

export const ApiTokenDraft = Type.Object(
  { name: Name, roles: Roles, validDays: Type.Integer({ minimum: 1, maximum: 366 }) },
  { additionalProperties: false },
);
export type ApiTokenDraft = Static<typeof ApiTokenDraft>;

export const ApiToken = Type.Object({
  id: Id,
  name: Name,
  roles: Type.Array(oneOf(Role)),
  createdBy: Name,
  createdAt: Moment,
  expiresAt: Moment,
  lastUsedAt: Type.Optional(Moment),
});
export type ApiToken = Static<typeof ApiToken>;

/** The token is shown once. */
export const NewApiToken = Type.Object({ ...ApiToken.properties, token: Type.String() });
export type NewApiToken = Static<typeof NewApiToken>;
