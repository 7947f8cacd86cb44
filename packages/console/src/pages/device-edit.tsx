/** Changes a device's tags and ring. */
import { type Device, TAGS_MAX } from "@suture/contract";
import { useChange } from "../api.ts";
import { RingField, TagsField, tagsProblem } from "../ui/fields.tsx";
import { FormDialog } from "../ui/form-dialog.tsx";

interface DeviceEditProps {
  readonly device: Device;
  readonly onClose: () => void;
}

export function DeviceEdit({ device, onClose }: DeviceEditProps) {
  const change = useChange("changeDevice");
  const initial: { tags: string[]; ringId: string | undefined } = {
    tags: [...device.tags],
    ringId: device.ringId,
  };
  return (
    <FormDialog
      title={`Edit ${device.hostname}`}
      initial={initial}
      check={({ tags }) => ({
        tags: tags.length > TAGS_MAX ? `At most ${TAGS_MAX} tags.` : tagsProblem(tags),
      })}
      verb="Save"
      submit={({ tags, ringId }) =>
        change.mutateAsync({ params: { id: device.id }, body: { tags, ringId: ringId ?? null } })
      }
      onClose={onClose}
    >
      {({ field }) => (
        <>
          <TagsField
            label="Tags"
            description="Dynamic scopes select devices by them. Enter adds one."
            {...field("tags")}
          />
          <RingField
            label="Ring"
            description="Rollouts reach the device when they reach its ring."
            {...field("ringId")}
          />
        </>
      )}
    </FormDialog>
  );
}
