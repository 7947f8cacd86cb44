/** The buttons at the end of a table's row: edit it, remove it. */
import type { Permission } from "@suture/contract";
import { PermittedButton } from "./permitted.tsx";

interface RowActionsProps {
  readonly permission: Permission;
  readonly onEdit: () => void;
  readonly onRemove: () => void;
  /** Why it cannot be removed now. */
  readonly whyNotRemove?: string | undefined;
}

export function RowActions({ permission, onEdit, onRemove, whyNotRemove }: RowActionsProps) {
  const look = { permission, variant: "default", size: "compact-sm" };
  return (
    <span className="actions">
      <PermittedButton {...look} onClick={onEdit}>
        Edit
      </PermittedButton>
      <PermittedButton {...look} why={whyNotRemove} onClick={onRemove}>
        Remove
      </PermittedButton>
    </span>
  );
}
