/** Every page under its address. Each is loaded when it is first opened. */
import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  redirect,
} from "@tanstack/react-router";
import { NotFoundPage } from "./pages/not-found.tsx";
import { parseDeviceSearch, parseNewRolloutSearch, paths } from "./paths.ts";
import { Shell } from "./shell/shell.tsx";
import { ErrorNote } from "./ui/error-note.tsx";

const lazy = lazyRouteComponent;

const overview = lazy(() => import("./pages/overview.tsx"), "OverviewPage");
const devices = lazy(() => import("./pages/devices.tsx"), "DevicesPage");
const device = lazy(() => import("./pages/device.tsx"), "DevicePage");
const groups = lazy(() => import("./pages/groups.tsx"), "GroupsPage");
const catalog = lazy(() => import("./pages/catalog.tsx"), "CatalogPage");
const policies = lazy(() => import("./pages/policies.tsx"), "PoliciesPage");
const rings = lazy(() => import("./pages/rings.tsx"), "RingsPage");
const rollouts = lazy(() => import("./pages/rollouts.tsx"), "RolloutsPage");
const newRollout = lazy(() => import("./pages/rollout-new.tsx"), "NewRolloutPage");
const rollout = lazy(() => import("./pages/rollout.tsx"), "RolloutPage");
const approvals = lazy(() => import("./pages/approvals.tsx"), "ApprovalsPage");
const compliance = lazy(() => import("./pages/compliance.tsx"), "CompliancePage");
const alerts = lazy(() => import("./pages/alerts.tsx"), "AlertsPage");
const audit = lazy(() => import("./pages/audit.tsx"), "AuditPage");
const settings = lazy(() => import("./pages/settings.tsx"), "SettingsPage");

/** Fetches every page before it is opened, so that none is missing while the server is away. */
export async function preloadPages(): Promise<void> {
  const pages = [overview, devices, device, groups, catalog, policies, rings, rollouts];
  pages.push(newRollout, rollout, approvals, compliance, alerts, audit, settings);
  await Promise.allSettled(pages.map(async ({ preload }) => await preload?.()));
}

/** The router, with everything that has an address of its own. */
export function createConsoleRouter() {
  const root = createRootRoute({ component: Shell, notFoundComponent: NotFoundPage });
  const under = { getParentRoute: () => root };
  const routeTree = root.addChildren([
    createRoute({ ...under, path: "/", component: overview }),
    createRoute({
      ...under,
      path: "/devices",
      validateSearch: parseDeviceSearch,
      component: devices,
    }),
    createRoute({ ...under, path: "/devices/$id", component: device }),
    createRoute({ ...under, path: "/groups", component: groups }),
    createRoute({ ...under, path: "/catalog", component: catalog }),
    createRoute({ ...under, path: "/policies", component: policies }),
    createRoute({ ...under, path: "/rings", component: rings }),
    createRoute({ ...under, path: "/rollouts", component: rollouts }),
    createRoute({
      ...under,
      path: "/rollouts/new",
      validateSearch: parseNewRolloutSearch,
      component: newRollout,
    }),
    createRoute({ ...under, path: "/rollouts/$id", component: rollout }),
    createRoute({ ...under, path: "/approvals", component: approvals }),
    createRoute({ ...under, path: "/compliance", component: compliance }),
    createRoute({ ...under, path: "/alerts", component: alerts }),
    createRoute({ ...under, path: "/audit", component: audit }),
    createRoute({
      ...under,
      path: "/settings",
      beforeLoad: () => {
        throw redirect(paths.settings());
      },
    }),
    createRoute({ ...under, path: "/settings/$section", component: settings }),
  ]);
  return createRouter({
    routeTree,
    defaultErrorComponent: ({ error }) => (
      <ErrorNote error={error instanceof Error ? error : new Error(String(error))} />
    ),
    scrollRestoration: true,
    defaultPendingMinMs: 0,
  });
}
