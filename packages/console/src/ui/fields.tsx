/** Fields that several forms have. */
import { Checkbox, MultiSelect, NumberInput, Select, TagsInput, TextInput } from "@mantine/core";
import { Role, Tag } from "@suture/contract";
import type { ReactNode } from "react";
import { useRoute } from "../api.ts";
import { fieldProblem } from "./field-problem.ts";
import { ROLE } from "./words.ts";

interface FieldProps<Value> {
  readonly label: string;
  readonly description?: ReactNode;
  readonly value: Value;
  readonly onChange: (value: Value) => void;
  readonly error?: string | undefined;
}

/** The name of what a dialog is about: its first field. */
export const NameField = ({ onChange, ...props }: Omit<FieldProps<string>, "label">) => (
  <TextInput
    label="Name"
    data-autofocus
    {...props}
    onChange={(event) => onChange(event.currentTarget.value)}
  />
);

interface NumberFieldProps extends FieldProps<number> {
  readonly min?: number;
  readonly max?: number;
  readonly suffix?: string;
  readonly isWhole?: boolean;
}

/** A number; an empty field is NaN, which no schema takes. */
export const NumberField = ({ value, onChange, isWhole = false, ...props }: NumberFieldProps) => (
  <NumberInput
    {...props}
    value={Number.isNaN(value) ? "" : value}
    onChange={(changed) => onChange(changed === "" ? Number.NaN : Number(changed))}
    allowDecimal={!isWhole}
    allowNegative={false}
    hideControls
  />
);

/** A number that may be left out. */
export const OptionalNumberField = ({
  value,
  onChange,
  ...props
}: Omit<NumberFieldProps, "value" | "onChange"> & {
  readonly value: number | undefined;
  readonly onChange: (value: number | undefined) => void;
}) => (
  <NumberInput
    {...props}
    value={value ?? ""}
    placeholder="not watched"
    onChange={(changed) => onChange(changed === "" ? undefined : Number(changed))}
    allowNegative={false}
    hideControls
  />
);

/** A share between 0 and 1, shown in percent. */
export const ShareField = ({ value, onChange, ...props }: FieldProps<number>) => (
  <NumberField
    {...props}
    value={Math.round(value * 1000) / 10}
    onChange={(percent) => onChange(percent / 100)}
    min={0}
    max={100}
    suffix=" %"
  />
);

export const TagsField = ({ value, ...props }: FieldProps<string[]>) => (
  <TagsInput {...props} value={value} splitChars={[",", " "]} clearable={false} acceptValueOnBlur />
);

/** What is wrong with the first of the tags that the server would refuse. */
export const tagsProblem = (tags: readonly string[]): string | undefined => {
  const wrong = tags.find((tag) => fieldProblem(Tag, tag) !== undefined);
  return wrong === undefined
    ? undefined
    : `${wrong}: small letters, digits and . : = / - only, as in env:production.`;
};

export const RolesField = ({ value, onChange, error, label }: FieldProps<Role[]>) => (
  <Checkbox.Group
    label={label}
    value={value}
    error={error}
    onChange={(chosen) => onChange(Object.values(Role).filter((role) => chosen.includes(role)))}
  >
    <div className="choices">
      {Object.values(Role).map((role) => (
        <Checkbox key={role} value={role} label={ROLE[role]} />
      ))}
    </div>
  </Checkbox.Group>
);

export const RingField = ({
  value,
  onChange,
  ...props
}: Omit<FieldProps<string | undefined>, "onChange"> & {
  readonly onChange: (value: string | undefined) => void;
}) => {
  const rings = useRoute("rings").data ?? [];
  return (
    <Select
      {...props}
      placeholder="None"
      clearable
      clearButtonProps={{ "aria-label": "No ring" }}
      data={rings.map(({ id, name }) => ({ value: id, label: name }))}
      value={value ?? null}
      onChange={(chosen) => onChange(chosen ?? undefined)}
    />
  );
};

export const GroupsField = (props: FieldProps<string[]>) => {
  const groups = useRoute("groups").data ?? [];
  return (
    <MultiSelect
      {...props}
      placeholder={props.value.length === 0 ? "All devices" : ""}
      data={groups.map(({ id, name, devices }) => ({ value: id, label: `${name} (${devices})` }))}
    />
  );
};
