/** The pages by what they are for. The letters are shortcuts: `g`, then the letter. */

import { Permission } from "@suture/contract";
import {
  IconAlertTriangle,
  IconCalendar,
  IconChartBar,
  IconCheckbox,
  IconCircles,
  IconFileText,
  IconHome,
  IconListDetails,
  IconProgress,
  IconServer,
  IconSettings,
  IconStack2,
  type TablerIcon,
} from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useRoute } from "../api.ts";
import { type Place, paths } from "../paths.ts";
import { count } from "../ui/numbers.ts";

export interface NavigationEntry {
  readonly name: string;
  readonly place: Place;
  readonly letter: string;
  readonly icon: TablerIcon;
  /** Not shown without it. */
  readonly permission?: Permission;
}

export const NAVIGATION: readonly (readonly NavigationEntry[])[] = [
  [
    { name: "Overview", place: paths.overview(), letter: "o", icon: IconHome },
    { name: "Devices", place: paths.devices(), letter: "d", icon: IconServer },
    { name: "Groups and scopes", place: paths.groups(), letter: "g", icon: IconCircles },
  ],
  [
    { name: "Catalog", place: paths.catalog(), letter: "c", icon: IconCalendar },
    { name: "Rollouts", place: paths.rollouts(), letter: "r", icon: IconProgress },
    { name: "Approvals", place: paths.approvals(), letter: "a", icon: IconCheckbox },
    { name: "Policies", place: paths.policies(), letter: "p", icon: IconFileText },
    { name: "Rings", place: paths.rings(), letter: "i", icon: IconStack2 },
  ],
  [
    { name: "Compliance", place: paths.compliance(), letter: "m", icon: IconChartBar },
    { name: "Alerts", place: paths.alerts(), letter: "l", icon: IconAlertTriangle },
    {
      name: "Audit",
      place: paths.audit(),
      letter: "u",
      icon: IconListDetails,
      permission: Permission.readAudit,
    },
    {
      name: "Settings",
      place: paths.settings(),
      letter: "s",
      icon: IconSettings,
      permission: Permission.administer,
    },
  ],
];

interface NavigationProps {
  readonly permissions: readonly Permission[];
  readonly onNavigate: () => void;
}

export function Navigation({ permissions, onNavigate }: NavigationProps) {
  const overview = useRoute("overview").data;
  const badges: Readonly<Record<string, { value: number; meaning: string } | undefined>> = {
    Approvals: overview && { value: overview.pendingApprovals, meaning: "waiting" },
    Alerts: overview && { value: overview.openAlerts.length, meaning: "open" },
  };
  return (
    <nav aria-label="Pages" className="nav">
      {NAVIGATION.map((entries) => (
        <ul key={entries[0]?.name}>
          {entries
            .filter(
              ({ permission }) => permission === undefined || permissions.includes(permission),
            )
            .map(({ name, place, icon: Icon }) => {
              const badge = badges[name];
              return (
                <li key={name}>
                  <Link
                    to={place.to === paths.settings().to ? "/settings" : place.to}
                    search={{}}
                    className="nav-link"
                    activeOptions={{ exact: place.to === "/", includeSearch: false }}
                    onClick={onNavigate}
                  >
                    <Icon size={17} stroke={1.6} aria-hidden="true" />
                    <span>{name}</span>
                    {badge !== undefined && badge.value > 0 && (
                      <span className="nav-badge number">
                        {count(badge.value)}
                        <span className="unseen"> {badge.meaning}</span>
                      </span>
                    )}
                  </Link>
                </li>
              );
            })}
        </ul>
      ))}
    </nav>
  );
}
