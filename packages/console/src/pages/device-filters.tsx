/** The filters of the device list. They stand in the address, so that a list can be sent on. */
import { Button, Select, TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { ComplianceState, DeviceQuery, Readiness } from "@suture/contract";
import { IconSearch } from "@tabler/icons-react";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { useRoute } from "../api.ts";
import { type DeviceSearch, parseDeviceSearch, paths } from "../paths.ts";
import { fieldProblem } from "../ui/field-problem.ts";
import { COMPLIANCE, READINESS } from "../ui/words.ts";

const TYPING_MS = 250;

export interface DeviceSearchState {
  readonly search: DeviceSearch;
  readonly change: (name: keyof DeviceSearch, value: string | null) => void;
}

export function useDeviceSearch(): DeviceSearchState {
  const search = parseDeviceSearch(useSearch({ strict: false }));
  const navigate = useNavigate();
  return {
    search,
    change: (name, value) => {
      void navigate({
        ...paths.devices(parseDeviceSearch({ ...search, [name]: value })),
        replace: true,
      });
    },
  };
}

const options = <Word extends string>(
  words: readonly Word[],
  names: Readonly<Record<Word, string>>,
) => words.map((value) => ({ value, label: names[value] }));

const byName = (things: readonly { readonly id: string; readonly name: string }[] | undefined) =>
  (things ?? []).map(({ id, name }) => ({ value: id, label: name }));

const SORTS = [
  { value: "hostname", label: "Name" },
  { value: "last-seen", label: "Last seen" },
  { value: "compliance", label: "Compliance" },
];

export function DeviceFilters({ search, change }: DeviceSearchState) {
  const navigate = useNavigate();
  const choices = [
    {
      name: "compliance",
      label: "Compliance",
      data: options(Object.values(ComplianceState), COMPLIANCE),
      width: 195,
    },
    {
      name: "readiness",
      label: "Readiness",
      data: options(Object.values(Readiness), READINESS),
      width: 125,
    },
    { name: "ringId", label: "Ring", data: byName(useRoute("rings").data), width: 105 },
    { name: "groupId", label: "Group", data: byName(useRoute("groups").data), width: 130 },
  ] as const;
  return (
    <search className="filters">
      <FilterText name="search" label="Name" {...{ search, change }} width={150} isFirst />
      {choices.map(({ name, label, data, width }) => (
        <Select
          key={name}
          label={label}
          placeholder="Any"
          clearable
          clearButtonProps={{ "aria-label": `Any ${label.toLowerCase()}` }}
          w={width}
          data={data}
          value={search[name] ?? null}
          onChange={(value) => change(name, value)}
        />
      ))}
      <FilterText name="tag" label="Tag" {...{ search, change }} width={115} />
      <FilterText
        name="cve"
        label="Exposed to"
        placeholder="CVE-2024-46981"
        {...{ search, change }}
        width={150}
      />
      <Select
        label="Sort by"
        w={115}
        data={SORTS}
        allowDeselect={false}
        value={search.sort ?? "hostname"}
        onChange={(value) => change("sort", value === "hostname" ? null : value)}
      />
      {Object.keys(search).length > 0 && (
        <Button variant="subtle" size="sm" onClick={() => void navigate(paths.devices())}>
          Clear
        </Button>
      )}
    </search>
  );
}

interface FilterTextProps extends DeviceSearchState {
  readonly name: "search" | "tag" | "cve";
  readonly label: string;
  readonly placeholder?: string;
  readonly width: number;
  readonly isFirst?: boolean;
}

/** Asks once the typing pauses, and only with what the server takes. */
function FilterText({
  name,
  label,
  placeholder,
  width,
  isFirst = false,
  search,
  change,
}: FilterTextProps) {
  const [text, setText] = useState(search[name] ?? "");
  const sent = useRef(text);
  const value = search[name] ?? "";
  useEffect(() => {
    // Cleared or opened by a link, not by typing here.
    if (value !== sent.current) setText(value);
    sent.current = value;
  }, [value]);

  const problem =
    text === "" ? undefined : fieldProblem(DeviceQuery.properties[name], normal(name, text));
  const send = useDebouncedCallback((typed: string) => {
    const wanted = normal(name, typed);
    if (wanted !== "" && fieldProblem(DeviceQuery.properties[name], wanted) !== undefined) return;
    sent.current = wanted;
    change(name, wanted);
  }, TYPING_MS);

  return (
    <TextInput
      label={label}
      placeholder={placeholder}
      w={width}
      value={text}
      error={problem !== undefined}
      {...(isFirst && { leftSection: <IconSearch size={15} />, "data-filter": true })}
      onChange={(event) => {
        setText(event.currentTarget.value);
        send(event.currentTarget.value);
      }}
    />
  );
}

const normal = (name: FilterTextProps["name"], text: string): string =>
  name === "cve" ? text.trim().toUpperCase() : text.trim();
