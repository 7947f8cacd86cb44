/** The gates between the groups of a rollout. */
import { Checkbox } from "@mantine/core";
import { Gates } from "@suture/contract";
import { fieldProblem } from "../ui/field-problem.ts";
import { NumberField, ShareField } from "../ui/fields.tsx";

/** What is wrong with the gates, if anything is. */
export const gatesProblem = (gates: Gates): string | undefined =>
  fieldProblem(Gates.properties.successThreshold, gates.successThreshold) ??
  fieldProblem(Gates.properties.errorThreshold, gates.errorThreshold) ??
  fieldProblem(Gates.properties.soakHours, gates.soakHours);

interface GatesFieldsProps {
  readonly gates: Gates;
  readonly onChange: (gates: Gates) => void;
  readonly error?: string | undefined;
}

export const GatesFields = ({ gates, onChange, error }: GatesFieldsProps) => (
  <fieldset className="group">
    <legend>Gates between groups</legend>
    <div className="form-row">
      <ShareField
        label="Success threshold"
        description="Of a group, before the next begins"
        value={gates.successThreshold}
        onChange={(successThreshold) => onChange({ ...gates, successThreshold })}
      />
      <ShareField
        label="Error threshold"
        description="More halts the rollout"
        value={gates.errorThreshold}
        onChange={(errorThreshold) => onChange({ ...gates, errorThreshold })}
      />
      <NumberField
        label="Soak time"
        description="Before the next group"
        suffix=" hours"
        value={gates.soakHours}
        onChange={(soakHours) => onChange({ ...gates, soakHours })}
      />
    </div>
    <Checkbox
      label="A person must approve the next group"
      checked={gates.approval}
      onChange={(event) => onChange({ ...gates, approval: event.currentTarget.checked })}
    />
    {error !== undefined && (
      <p className="problem" role="alert">
        {error}
      </p>
    )}
  </fieldset>
);
