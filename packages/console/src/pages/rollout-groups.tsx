/** The groups of a rollout as steps: how many devices are in which state, and why each waits. */
import { UnstyledButton } from "@mantine/core";
import { DeviceUpdateState, type RolloutGroup, type StateCounts } from "@suture/contract";
import { count, counted } from "../ui/numbers.ts";
import { Section } from "../ui/page.tsx";
import { Bar, type StatePart } from "../ui/state-bar.tsx";
import { GroupMark, UPDATE_TONE } from "../ui/state-mark.tsx";
import { When } from "../ui/when.tsx";
import { UPDATE_STATE } from "../ui/words.ts";
import type { DeviceFilter } from "./rollout-devices.tsx";

/** From what is done to what has not begun; what went wrong last. */
const ORDER: readonly DeviceUpdateState[] = [
  "succeeded",
  "restarted",
  "applied",
  "applying",
  "offered",
  "waiting",
  "not-applicable",
  "restart-pending",
  "refused",
  "reverted",
  "failed",
];

export const statePartsOf = (counts: StateCounts): StatePart[] =>
  ORDER.filter((state) => (counts[state] ?? 0) > 0).map((state) => ({
    key: state,
    name: UPDATE_STATE[state],
    tone: UPDATE_TONE[state],
    value: counts[state] ?? 0,
  }));

interface RolloutGroupsProps {
  readonly groups: readonly RolloutGroup[];
  readonly onChoose: (filter: DeviceFilter) => void;
}

export const RolloutGroups = ({ groups, onChoose }: RolloutGroupsProps) => (
  <Section title="Groups" note="one after the other">
    <ol className="steps">
      {groups.map((group, index) => (
        <li key={group.ringId} className="step" data-state={group.state}>
          <span className="step-number number" aria-hidden="true">
            {index + 1}
          </span>
          <Step group={group} onChoose={onChoose} />
        </li>
      ))}
    </ol>
  </Section>
);

function Step({
  group,
  onChoose,
}: {
  readonly group: RolloutGroup;
  readonly onChoose: RolloutGroupsProps["onChoose"];
}) {
  const parts = statePartsOf(group.counts);
  return (
    <div className="step-body">
      <div className="step-head">
        <strong>{group.name}</strong>
        <GroupMark state={group.state} />
        <span className="quiet number">{counted(group.devices, "device")}</span>
        <span className="quiet step-times">
          {group.completedAt !== undefined ? (
            <>
              completed <When at={group.completedAt} />
            </>
          ) : (
            group.beganAt !== undefined && (
              <>
                began <When at={group.beganAt} />
              </>
            )
          )}
          {group.deadlineAt !== undefined && group.completedAt === undefined && (
            <>
              , deadline <When at={group.deadlineAt} />
            </>
          )}
        </span>
      </div>
      {group.waitsFor !== undefined && (
        <div className="step-wait">
          {group.waitsFor.text}
          {group.waitsFor.until !== undefined && (
            <>
              {" "}
              It goes on <When at={group.waitsFor.until} />.
            </>
          )}
        </div>
      )}
      <Bar
        parts={parts}
        label={parts.map(({ name, value }) => `${name}: ${count(value)}`).join("; ")}
      />
      <div className="step-counts">
        {parts.map(({ key, name, tone, value }) => (
          <UnstyledButton
            key={key}
            className="step-count"
            onClick={() => onChoose({ ringId: group.ringId, state: stateOf(key) })}
            title="Show these devices"
          >
            <span className="mark-dot" data-tone={tone} aria-hidden="true" />
            {name} <strong className="number">{count(value)}</strong>
            <span className="unseen"> of {group.name}</span>
          </UnstyledButton>
        ))}
      </div>
    </div>
  );
}

const stateOf = (key: string): DeviceUpdateState | undefined =>
  Object.values(DeviceUpdateState).find((state) => state === key);
