/** The way from an empty fleet to the first device. */
import { Permission } from "@suture/contract";
import { useMay } from "../api.ts";
import { paths } from "../paths.ts";
import { enrolCommand } from "../ui/commands.ts";
import { Empty } from "../ui/empty.tsx";
import { PageLink } from "../ui/page-link.tsx";

export function NoDevices() {
  const mayEnrol = useMay(Permission.administer);
  return (
    <Empty
      title="No device is enrolled yet."
      command={enrolCommand(window.location.origin, "TOKEN")}
    >
      {mayEnrol ? (
        <>
          <PageLink {...paths.settings("enrolment")}>Make an enrolment token</PageLink>, then run
          this on the machine:
        </>
      ) : (
        "An admin makes an enrolment token in Settings; then this runs on the machine:"
      )}
    </Empty>
  );
}
