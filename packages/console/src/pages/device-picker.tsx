/** Chooses devices for a fixed list. The server looks them up: a fleet has more than fit a form. */
import { CloseButton, Combobox, Loader, TextInput, useCombobox } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import type { DeviceSummary } from "@suture/contract";
import { useState } from "react";
import { useRoute } from "../api.ts";
import { counted } from "../ui/numbers.ts";

const FOUND_MAX = 20;
const NAMED_MAX = 500;
const TYPING_MS = 200;

interface DevicePickerProps {
  /** The group that is changed: the names of its devices are asked for. */
  readonly groupId: string | undefined;
  readonly chosen: readonly string[];
  readonly onChange: (chosen: readonly string[]) => void;
}

export function DevicePicker({ groupId, chosen, onChange }: DevicePickerProps) {
  const [text, setText] = useState("");
  const [search] = useDebouncedValue(text.trim(), TYPING_MS);
  const [added, setAdded] = useState<readonly DeviceSummary[]>([]);
  const combobox = useCombobox({ onDropdownClose: () => combobox.resetSelectedOption() });
  const found = useRoute("devices", {
    query: { limit: FOUND_MAX, ...(search !== "" && { search }) },
  });
  const before = useRoute(
    "devices",
    { query: { limit: NAMED_MAX, ...(groupId !== undefined && { groupId }) } },
    { enabled: groupId !== undefined },
  );
  const names = new Map(
    [...(groupId === undefined ? [] : (before.data?.items ?? [])), ...added].map(
      ({ id, hostname }) => [id, hostname],
    ),
  );
  const offered = (found.data?.items ?? []).filter(({ id }) => !chosen.includes(id));

  return (
    <div>
      <Combobox
        store={combobox}
        onOptionSubmit={(id) => {
          const device = offered.find((one) => one.id === id);
          if (device !== undefined) setAdded([...added, device]);
          onChange([...chosen, id]);
          setText("");
          combobox.closeDropdown();
        }}
      >
        <Combobox.Target>
          <TextInput
            label="Add a device"
            placeholder="Part of the name"
            value={text}
            onChange={(event) => {
              setText(event.currentTarget.value);
              combobox.openDropdown();
              combobox.updateSelectedOptionIndex();
            }}
            onFocus={() => combobox.openDropdown()}
            onBlur={() => combobox.closeDropdown()}
            rightSection={found.isFetching ? <Loader size={16} /> : null}
          />
        </Combobox.Target>
        <Combobox.Dropdown>
          {offered.length === 0 && <Combobox.Empty>No other device of this name</Combobox.Empty>}
          <Combobox.Options aria-label="Devices" hidden={offered.length === 0}>
            {offered.map(({ id, hostname, system }) => (
              <Combobox.Option key={id} value={id}>
                {hostname} <span className="quiet">{system}</span>
              </Combobox.Option>
            ))}
          </Combobox.Options>
        </Combobox.Dropdown>
      </Combobox>
      <p className="quiet">{counted(chosen.length, "device")} in the list</p>
      <ul className="picked">
        {chosen.map((id) => (
          <li key={id} className="tag">
            {names.get(id) ?? <code>{id.slice(0, 8)}</code>}
            <CloseButton
              size="xs"
              aria-label={`Take ${names.get(id) ?? id} out`}
              onClick={() => onChange(chosen.filter((one) => one !== id))}
            />
          </li>
        ))}
      </ul>
    </div>
  );
}
