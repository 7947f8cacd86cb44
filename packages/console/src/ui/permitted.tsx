/** A button that says why it cannot be pressed, where it cannot. */
import { Button, type ButtonProps, Tooltip } from "@mantine/core";
import type { Permission } from "@suture/contract";
import type { ReactNode } from "react";
import { useMay } from "../api.ts";
import { PERMISSION } from "./words.ts";

interface ReasonedButtonProps extends ButtonProps {
  /** Why it cannot be pressed now. */
  readonly why?: string | undefined;
  readonly onClick: () => void;
  readonly children: ReactNode;
}

/** It stays focusable while it is disabled, so that the reason can be read by keyboard. */
export function ReasonedButton({ why, onClick, children, ...props }: ReasonedButtonProps) {
  if (why === undefined) {
    return (
      <Button {...props} onClick={onClick}>
        {children}
      </Button>
    );
  }
  return (
    <Tooltip label={why}>
      <Button
        {...props}
        data-disabled
        aria-disabled="true"
        onClick={(event) => event.preventDefault()}
      >
        {children}
      </Button>
    </Tooltip>
  );
}

interface PermittedProps extends ReasonedButtonProps {
  readonly permission: Permission;
}

/** Disabled with the reason where no role of the account has the permission. */
export function PermittedButton({ permission, why, ...props }: PermittedProps) {
  const may = useMay(permission);
  return <ReasonedButton {...props} why={may ? why : lacking(permission)} />;
}

export const lacking = (permission: Permission): string =>
  `Your roles do not include ${PERMISSION[permission]}. An admin can give you the role.`;
