/** A link to another page of the console. */
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Place } from "../paths.ts";

interface PageLinkProps extends Place {
  readonly children: ReactNode;
  readonly className?: string;
}

export const PageLink = ({ to, search, children, className = "link" }: PageLinkProps) => (
  <Link to={to} search={{ ...search }} className={className}>
    {children}
  </Link>
);
