/** Enrolment tokens, accounts, API tokens. */
import { Tabs } from "@mantine/core";
import { Permission } from "@suture/contract";
import { useNavigate, useParams } from "@tanstack/react-router";
import { useMay } from "../api.ts";
import { paths, SETTINGS_SECTIONS, type SettingsSection } from "../paths.ts";
import { Empty } from "../ui/empty.tsx";
import { Page } from "../ui/page.tsx";
import { lacking } from "../ui/permitted.tsx";
import { AccountsSection } from "./accounts.tsx";
import { ApiTokensSection } from "./api-tokens.tsx";
import { EnrolmentTokensSection } from "./enrolment-tokens.tsx";

const TITLES: Readonly<Record<SettingsSection, string>> = {
  enrolment: "Enrolment tokens",
  accounts: "Accounts",
  "api-tokens": "API tokens",
};

export function SettingsPage() {
  const { section: asked } = useParams({ strict: false });
  const navigate = useNavigate();
  const may = useMay(Permission.administer);
  const section = SETTINGS_SECTIONS.find((one) => one === asked) ?? "enrolment";
  if (!may) {
    return (
      <Page title="Settings">
        <Empty title={lacking(Permission.administer)} />
      </Page>
    );
  }
  return (
    <Page title="Settings">
      <Tabs
        value={section}
        onChange={(chosen) => {
          const known = SETTINGS_SECTIONS.find((one) => one === chosen);
          if (known !== undefined) void navigate(paths.settings(known));
        }}
        keepMounted={false}
      >
        <Tabs.List className="tabs">
          {SETTINGS_SECTIONS.map((one) => (
            <Tabs.Tab key={one} value={one}>
              {TITLES[one]}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="enrolment">
          <EnrolmentTokensSection />
        </Tabs.Panel>
        <Tabs.Panel value="accounts">
          <AccountsSection />
        </Tabs.Panel>
        <Tabs.Panel value="api-tokens">
          <ApiTokensSection />
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}
