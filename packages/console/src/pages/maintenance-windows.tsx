/** Weekly maintenance windows, in each device's own time zone. */
import { ActionIcon, Button, Chip, TextInput } from "@mantine/core";
import type { MaintenanceWindow } from "@suture/contract";
import { IconTrash } from "@tabler/icons-react";
import { WEEKDAYS } from "../ui/words.ts";

const WINDOWS_MAX = 20;
const NEW_WINDOW: MaintenanceWindow = { days: [6], begin: "22:00", end: "04:00" };

/** `Sat, Sun 22:00–04:00 (next day)` */
export const windowText = ({ days, begin, end }: MaintenanceWindow): string =>
  `${[...days]
    .sort()
    .map((day) => WEEKDAYS[day] ?? day)
    .join(", ")} ${begin}–${end}${end <= begin ? " (next day)" : ""}`;

/** What is wrong with the windows, if anything is. */
export const windowsProblem = (windows: readonly MaintenanceWindow[]): string | undefined =>
  windows.some(({ days }) => days.length === 0)
    ? "Choose a day for each window."
    : windows.some(({ begin, end }) => begin === "" || end === "")
      ? "Give each window a beginning and an end."
      : undefined;

interface MaintenanceWindowsProps {
  readonly windows: readonly MaintenanceWindow[];
  readonly onChange: (windows: MaintenanceWindow[]) => void;
  readonly error?: string | undefined;
}

export const MaintenanceWindows = ({ windows, onChange, error }: MaintenanceWindowsProps) => (
  <fieldset className="group">
    <legend>Maintenance windows</legend>
    <p className="quiet">
      In the device's own time zone. Without one, nothing is restarted by itself.
    </p>
    {windows.map((window, index) => (
      <fieldset
        // biome-ignore lint/suspicious/noArrayIndexKey: windows have no name but their place.
        key={index}
        className="scope-row bare"
        aria-label={`Window ${index + 1}`}
      >
        <Chip.Group
          multiple
          value={window.days.map(String)}
          onChange={(days) =>
            onChange(windows.with(index, { ...window, days: days.map(Number).sort() }))
          }
        >
          <span className="days">
            {WEEKDAYS.map((name, day) => (
              <Chip key={name} value={String(day)} size="xs" radius="sm">
                {name}
              </Chip>
            ))}
          </span>
        </Chip.Group>
        <TextInput
          type="time"
          aria-label="From"
          value={window.begin}
          onChange={(event) =>
            onChange(windows.with(index, { ...window, begin: event.currentTarget.value }))
          }
        />
        <TextInput
          type="time"
          aria-label="Until"
          value={window.end}
          onChange={(event) =>
            onChange(windows.with(index, { ...window, end: event.currentTarget.value }))
          }
        />
        <ActionIcon
          aria-label={`Remove window ${index + 1}`}
          onClick={() => onChange(windows.toSpliced(index, 1))}
        >
          <IconTrash size={16} />
        </ActionIcon>
      </fieldset>
    ))}
    {error !== undefined && (
      <p className="problem" role="alert">
        {error}
      </p>
    )}
    <Button
      variant="default"
      size="compact-sm"
      disabled={windows.length >= WINDOWS_MAX}
      onClick={() => onChange([...windows, NEW_WINDOW])}
    >
      Add a window
    </Button>
  </fieldset>
);
