/** What stands around every page. */
import {
  ActionIcon,
  AppShell,
  Burger,
  Menu,
  Tooltip,
  UnstyledButton,
  useComputedColorScheme,
  useMantineColorScheme,
} from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { Permission } from "@suture/contract";
import { IconKeyboard, IconLogout, IconMoon, IconSun, IconUser } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { Link, Outlet, useLocation } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import { forgetAnswers, useCall, useMe, useRoute } from "../api.ts";
import { paths } from "../paths.ts";
import { StateMark } from "../ui/state-mark.tsx";
import { wordsOf } from "../ui/words.ts";
import { type Connection, useChanges } from "./changes.ts";
import { Navigation } from "./navigation.tsx";
import { PauseBanner } from "./pause-banner.tsx";
import { ShortcutList, useShortcuts } from "./shortcuts.tsx";

export function Shell() {
  const me = useMe();
  const connection = useChanges();
  const shortcuts = useShortcuts();
  const [isMenuOpen, menu] = useDisclosure(false);
  const main = useFocusOnNavigation();
  const mayRead = me.permissions.includes(Permission.readFleet);
  const overview = useRoute("overview", {}, { enabled: mayRead });

  return (
    <AppShell
      header={{ height: 48 }}
      navbar={{ width: 224, breakpoint: "sm", collapsed: { mobile: !isMenuOpen } }}
      transitionDuration={0}
    >
      <a href="#main" className="skip">
        Skip to the content
      </a>
      <AppShell.Header className="head">
        <Burger
          opened={isMenuOpen}
          onClick={menu.toggle}
          hiddenFrom="sm"
          size="sm"
          aria-label="Pages"
        />
        <Link to={paths.overview().to} className="brand">
          <img src="/suture.svg" alt="" width={22} height={22} />
          Suture
        </Link>
        <span className="head-room" />
        <ConnectionMark connection={connection} />
        <Tooltip label="Keyboard shortcuts (?)">
          <ActionIcon aria-label="Keyboard shortcuts" onClick={shortcuts.openList}>
            <IconKeyboard size={18} />
          </ActionIcon>
        </Tooltip>
        <ColorSchemeButton />
        <AccountMenu />
      </AppShell.Header>
      <AppShell.Navbar className="side">
        <Navigation permissions={me.permissions} onNavigate={menu.close} />
      </AppShell.Navbar>
      <AppShell.Main id="main" ref={main} tabIndex={-1} className="main">
        {overview.data?.paused === true && <PauseBanner />}
        <Outlet />
      </AppShell.Main>
      {shortcuts.isListOpen && <ShortcutList onClose={shortcuts.closeList} />}
    </AppShell>
  );
}

/** After a change of page the keyboard goes on at the page's beginning. */
function useFocusOnNavigation() {
  const main = useRef<HTMLElement>(null);
  const { pathname } = useLocation();
  const shown = useRef(pathname);
  useEffect(() => {
    if (shown.current !== pathname) main.current?.focus({ preventScroll: true });
    shown.current = pathname;
  }, [pathname]);
  return main;
}

const ConnectionMark = ({ connection }: { readonly connection: Connection }) => (
  <span className="connection" role="status">
    {connection === "lost" ? (
      <StateMark tone="bad">Connection lost, trying again</StateMark>
    ) : (
      connection === "live" && <StateMark tone="good">Live</StateMark>
    )}
  </span>
);

function ColorSchemeButton() {
  const scheme = useComputedColorScheme("light");
  const { setColorScheme } = useMantineColorScheme();
  const other = scheme === "dark" ? "light" : "dark";
  return (
    <Tooltip label={`Show it ${other}`}>
      <ActionIcon aria-label={`Show it ${other}`} onClick={() => setColorScheme(other)}>
        {scheme === "dark" ? <IconSun size={18} /> : <IconMoon size={18} />}
      </ActionIcon>
    </Tooltip>
  );
}

function AccountMenu() {
  const me = useMe();
  const call = useCall();
  const queries = useQueryClient();
  const signOut = async () => {
    await call("signOut");
    forgetAnswers(queries);
    await queries.resetQueries({ queryKey: ["me"] });
  };
  return (
    <Menu position="bottom-end" withinPortal width={240}>
      <Menu.Target>
        <UnstyledButton className="account" aria-label={`Account ${me.login}`}>
          <IconUser size={17} aria-hidden="true" />
          <span>{me.name}</span>
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          {me.login}: {me.roles.map(wordsOf).join(", ")}
        </Menu.Label>
        <Menu.Item leftSection={<IconLogout size={16} />} onClick={() => void signOut()}>
          Sign out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
