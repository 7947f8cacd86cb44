/** One device: how it stands and why, what runs on it, what happened on it. */
import { Button } from "@mantine/core";
import { type Device, Permission } from "@suture/contract";
import { useNavigate, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { useChange, useMay, useRoute } from "../api.ts";
import { paths } from "../paths.ts";
import { Confirm } from "../ui/confirm.tsx";
import { Facts } from "../ui/facts.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { counted } from "../ui/numbers.ts";
import { Page, Section } from "../ui/page.tsx";
import { PageLink } from "../ui/page-link.tsx";
import { PermittedButton } from "../ui/permitted.tsx";
import { ComplianceMark, ReadinessMark, StateMark } from "../ui/state-mark.tsx";
import { Tags } from "../ui/tags.tsx";
import { When } from "../ui/when.tsx";
import { wordsOf } from "../ui/words.ts";
import { DeviceComponents } from "./device-components.tsx";
import { DeviceEdit } from "./device-edit.tsx";
import { DeviceEvents } from "./device-events.tsx";
import { DeviceProgress } from "./device-progress.tsx";

export function DevicePage() {
  const { id = "" } = useParams({ strict: false });
  const query = useRoute("device", { params: { id } });
  return (
    <Page
      title={query.data?.hostname ?? "Device"}
      lead={<PageLink {...paths.devices()}>All devices</PageLink>}
      actions={query.data && <DeviceActions device={query.data} />}
    >
      <Loaded query={query}>
        {(device) => (
          <>
            <div className="columns">
              <State device={device} />
              <Machine device={device} />
            </div>
            <Findings device={device} />
            <DeviceComponents components={device.components} />
            <DeviceProgress progress={device.progress} />
            <DeviceEvents id={device.id} />
          </>
        )}
      </Loaded>
    </Page>
  );
}

const State = ({ device }: { readonly device: Device }) => (
  <Section title="State">
    <Facts
      facts={[
        ["Compliance", <ComplianceMark key="mark" state={device.compliance} />],
        ...(device.reason === undefined ? [] : ([["Why", device.reason]] as const)),
        ["Readiness", <ReadinessMark key="mark" state={device.readiness} />],
        ["Open CVEs", counted(device.openCves, "CVE")],
        ["Ring", device.ring ?? "none: no rollout reaches it"],
        [
          "Policy",
          <span key="policy">
            {device.policy.id === undefined ? (
              device.policy.name
            ) : (
              <PageLink {...paths.policies()}>{device.policy.name}</PageLink>
            )}
            <span className="quiet"> {device.policy.why}</span>
          </span>,
        ],
        [
          "Groups",
          device.groups.length === 0
            ? "none"
            : device.groups.map(({ id, name }, index) => (
                <span key={id}>
                  {index > 0 && ", "}
                  <PageLink {...paths.devices({ groupId: id })}>{name}</PageLink>
                </span>
              )),
        ],
        ["Tags", <Tags key="tags" tags={device.tags} />],
      ]}
    />
  </Section>
);

const Machine = ({ device }: { readonly device: Device }) => (
  <Section title="Machine">
    <Facts
      facts={[
        [
          "Connection",
          device.connected ? (
            <StateMark key="mark" tone="good">
              Connected
            </StateMark>
          ) : (
            <span key="mark">
              Last seen <When at={device.lastSeenAt} />
            </span>
          ),
        ],
        ["System", device.system],
        ["Kernel", device.kernel],
        ["Processor", device.processor],
        ["Agent", device.agentVersion],
        ["Enrolled", <When key="when" at={device.enrolledAt} />],
        [
          "Key (SHA-256)",
          <code key="digest" title={device.keyDigest}>
            {device.keyDigest.slice(0, 24)}…
          </code>,
        ],
        ["Id", <code key="id">{device.id}</code>],
      ]}
    />
  </Section>
);

function Findings({ device: { findings } }: { readonly device: Device }) {
  if (findings.length === 0) return null;
  return (
    <Section title="Why it is not ready" note={counted(findings.length, "finding")}>
      <ul className="findings">
        {findings.map(({ reason, detail, remediation }) => (
          <li key={reason + detail}>
            <strong>{wordsOf(reason)}.</strong> {detail}
            <span className="second">Next: {remediation}</span>
          </li>
        ))}
      </ul>
    </Section>
  );
}

function DeviceActions({ device }: { readonly device: Device }) {
  const [dialog, setDialog] = useState<"edit" | "remove">();
  const navigate = useNavigate();
  const remove = useChange("removeDevice");
  const mayRemove = useMay(Permission.administer);
  const close = () => setDialog(undefined);
  return (
    <>
      <PermittedButton
        permission={Permission.editDevices}
        variant="default"
        onClick={() => setDialog("edit")}
      >
        Edit tags and ring
      </PermittedButton>
      {mayRemove && (
        <Button variant="default" onClick={() => setDialog("remove")}>
          Remove
        </Button>
      )}
      {dialog === "edit" && <DeviceEdit device={device} onClose={close} />}
      {dialog === "remove" && (
        <Confirm
          title={`Remove ${device.hostname}`}
          effect={`Forgets 1 device with ${counted(device.components.length, "component")}; its key is refused from now on. What is applied on it stays applied. To bring it back it is enrolled again.`}
          verb="Remove the device"
          danger
          act={async () => {
            await remove.mutateAsync({ params: { id: device.id } });
            await navigate(paths.devices());
          }}
          onClose={close}
        />
      )}
    </>
  );
}
