/** Nothing here yet, and what to do about it. */
import type { ReactNode } from "react";
import { CommandLine } from "./command-line.tsx";

interface EmptyProps {
  readonly title: string;
  readonly children?: ReactNode;
  /** The exact command of the next step. */
  readonly command?: string;
  readonly action?: ReactNode;
}

export const Empty = ({ title, children, command, action }: EmptyProps) => (
  <div className="empty">
    <p className="empty-title">{title}</p>
    {children !== undefined && <p>{children}</p>}
    {command !== undefined && <CommandLine command={command} />}
    {action}
  </div>
);
