/** What the agent watches after each hotpatch. Any signal reverts the hotpatch live. */
import { ActionIcon, Button, TextInput } from "@mantine/core";
import type { HealthWatch } from "@suture/contract";
import { IconTrash } from "@tabler/icons-react";
import { NumberField, OptionalNumberField } from "../ui/fields.tsx";

const HOURS_MAX = 720;
const PATTERNS_MAX = 10;
const NEW_PROBE = { everySeconds: 60, timeoutSeconds: 10 };

/** The probe's command as one text; words are parted by spaces, `"` keeps them together. */
export interface ProbeText {
  readonly command: string;
  readonly user: string;
  readonly everySeconds: number;
  readonly timeoutSeconds: number;
}

export const probeText = ({ probe }: HealthWatch): ProbeText => ({
  command: (probe?.command ?? []).map((word) => (/\s/.test(word) ? `"${word}"` : word)).join(" "),
  user: probe?.user ?? "",
  everySeconds: probe?.everySeconds ?? NEW_PROBE.everySeconds,
  timeoutSeconds: probe?.timeoutSeconds ?? NEW_PROBE.timeoutSeconds,
});

/** The words of a command. */
export const wordsOfCommand = (text: string): string[] =>
  [...text.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? "");

/** The watch with the probe of the form; without one where the command is empty. */
export function withProbe(health: HealthWatch, text: ProbeText): HealthWatch {
  const { probe: _, ...rest } = health;
  const command = wordsOfCommand(text.command);
  if (command.length === 0) return rest;
  const { user, everySeconds, timeoutSeconds } = text;
  return {
    ...rest,
    probe: { command, everySeconds, timeoutSeconds, ...(user !== "" && { user }) },
  };
}

/** What is wrong with the watch, if anything is. */
export function healthProblem(health: HealthWatch, probe: ProbeText): string | undefined {
  if (!(health.hours >= 0 && health.hours <= HOURS_MAX)) {
    return `Health is watched for 0 to ${HOURS_MAX} hours.`;
  }
  const isRight = (health.logPatterns ?? []).every(
    ({ file, pattern }) => file.startsWith("/") && pattern !== "",
  );
  if (!isRight) return "Each log pattern needs the whole path of a file, and a pattern.";
  if (probe.command.trim() !== "" && !(probe.everySeconds >= 1 && probe.timeoutSeconds >= 1)) {
    return "The probe command needs its seconds.";
  }
  return undefined;
}

interface HealthFieldsProps {
  readonly health: HealthWatch;
  readonly probe: ProbeText;
  readonly onChange: (health: HealthWatch) => void;
  readonly onProbe: (probe: ProbeText) => void;
  readonly error?: string | undefined;
}

export function HealthFields({ health, probe, onChange, onProbe, error }: HealthFieldsProps) {
  return (
    <fieldset className="group">
      <legend>Health watch</legend>
      <p className="quiet">
        Crashes and restarts always count. Any signal reverts the hotpatch live on the device.
      </p>
      <div className="form-row">
        <NumberField
          label="Watch for"
          suffix=" hours"
          value={health.hours}
          onChange={(hours) => onChange({ ...health, hours })}
        />
        {OPTIONAL.map(([name, label, suffix]) => (
          <OptionalNumberField
            key={name}
            label={label}
            suffix={suffix}
            value={health[name]}
            onChange={(value) => onChange(withOptional(health, name, value))}
          />
        ))}
      </div>
      <LogPatterns health={health} onChange={onChange} />
      <div className="form-row">
        <TextInput
          label="Probe command"
          description="Every exit status but 0 is a signal"
          placeholder="/usr/bin/redis-cli ping"
          value={probe.command}
          onChange={(event) => onProbe({ ...probe, command: event.currentTarget.value })}
        />
        <TextInput
          label="As user"
          description="Empty: as nobody"
          value={probe.user}
          onChange={(event) => onProbe({ ...probe, user: event.currentTarget.value })}
        />
        <NumberField
          label="Every"
          description="Between two probes"
          suffix=" seconds"
          value={probe.everySeconds}
          onChange={(everySeconds) => onProbe({ ...probe, everySeconds })}
        />
        <NumberField
          label="At most"
          description="For one probe"
          suffix=" seconds"
          value={probe.timeoutSeconds}
          onChange={(timeoutSeconds) => onProbe({ ...probe, timeoutSeconds })}
        />
      </div>
      {error !== undefined && (
        <p className="problem" role="alert">
          {error}
        </p>
      )}
    </fieldset>
  );
}

const OPTIONAL = [
  ["memoryRatioMax", "Memory, at most", " times before"],
  ["memorySlopeMax", "Memory growth, at most", " MiB an hour"],
  ["processorRatioMax", "Processor time, at most", " times before"],
] as const;

function withOptional(
  health: HealthWatch,
  name: (typeof OPTIONAL)[number][0],
  value: number | undefined,
): HealthWatch {
  const { [name]: _, ...rest } = health;
  return value === undefined ? rest : { ...rest, [name]: value };
}

function LogPatterns({ health, onChange }: Pick<HealthFieldsProps, "health" | "onChange">) {
  const patterns = health.logPatterns ?? [];
  const set = (logPatterns: NonNullable<HealthWatch["logPatterns"]>) => {
    const { logPatterns: _, ...rest } = health;
    onChange(logPatterns.length === 0 ? rest : { ...rest, logPatterns });
  };
  return (
    <div className="form-list">
      {patterns.map((one, index) => (
        <fieldset
          // biome-ignore lint/suspicious/noArrayIndexKey: patterns have no name but their place.
          key={index}
          className="scope-row bare"
          aria-label={`Log pattern ${index + 1}`}
        >
          {PATTERN_FIELDS.map(([name, label, placeholder]) => (
            <TextInput
              key={name}
              aria-label={label}
              placeholder={placeholder}
              className="scope-value"
              value={one[name]}
              onChange={(event) =>
                set(patterns.with(index, { ...one, [name]: event.currentTarget.value }))
              }
            />
          ))}
          <ActionIcon
            aria-label={`Remove log pattern ${index + 1}`}
            onClick={() => set(patterns.toSpliced(index, 1))}
          >
            <IconTrash size={16} />
          </ActionIcon>
        </fieldset>
      ))}
      <div>
        <Button
          variant="default"
          size="compact-sm"
          disabled={patterns.length >= PATTERNS_MAX}
          onClick={() => set([...patterns, { file: "", pattern: "" }])}
        >
          Add a log pattern
        </Button>
      </div>
    </div>
  );
}

const PATTERN_FIELDS = [
  ["file", "Log file", "/var/log/redis/redis-server.log"],
  ["pattern", "Pattern", "FATAL"],
] as const;
