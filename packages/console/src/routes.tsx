/** Every page under its address. Each is loaded when it is first opened. */
import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
} from "@tanstack/react-router";
import { NotFoundPage } from "./pages/not-found.tsx";
import { parseDeviceSearch } from "./paths.ts";
import { Shell } from "./shell/shell.tsx";

/** The router, with everything that has an address of its own. */
export function createConsoleRouter() {
  const root = createRootRoute({ component: Shell, notFoundComponent: NotFoundPage });
  const at = <Path extends string>(path: Path, component: ReturnType<typeof lazyRouteComponent>) =>
    createRoute({ getParentRoute: () => root, path, component });

  const routeTree = root.addChildren([
    at(
      "/",
      lazyRouteComponent(() => import("./pages/overview.tsx"), "OverviewPage"),
    ),
    createRoute({
      getParentRoute: () => root,
      path: "/devices",
      validateSearch: parseDeviceSearch,
      component: lazyRouteComponent(() => import("./pages/devices.tsx"), "DevicesPage"),
    }),
  ]);
  return createRouter({
    routeTree,
    defaultPreload: "intent",
    scrollRestoration: true,
    defaultPendingMinMs: 0,
  });
}
