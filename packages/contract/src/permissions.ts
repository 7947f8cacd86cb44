/** Which role may do what. Author is never approver: no account has both (see conflictingRoles). */
import { Permission, Role } from "./names.ts";

const P = Permission;

export const ROLE_PERMISSIONS: Readonly<Record<Role, readonly Permission[]>> = {
  [Role.viewer]: [P.readFleet],
  [Role.author]: [P.readFleet, P.editDevices, P.editPolicies, P.createRollouts],
  [Role.approver]: [P.readFleet, P.approveRollouts],
  [Role.operator]: [P.readFleet, P.editDevices, P.operateRollouts, P.expedite],
  [Role.admin]: [P.readFleet, P.readAudit, P.administer],
  [Role.auditor]: [P.readFleet, P.readAudit],
};

/** All that the roles together may do. */
export const permissionsOf = (roles: readonly Role[]): ReadonlySet<Permission> =>
  new Set(roles.flatMap((role) => ROLE_PERMISSIONS[role]));

/** Whether one account must not have these roles together. */
export const conflictingRoles = (roles: readonly Role[]): boolean =>
  roles.includes(Role.approver) && (roles.includes(Role.author) || roles.includes(Role.operator));
