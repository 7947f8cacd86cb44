/** Deployment rings in their order. */
import { Select } from "@mantine/core";
import { Permission, type Ring, RingDraft, RingKind } from "@suture/contract";
import { useChange, useRoute } from "../api.ts";
import { paths } from "../paths.ts";
import type { Column } from "../ui/data-table.tsx";
import { EditableListPage } from "../ui/editable-list-page.tsx";
import { Empty } from "../ui/empty.tsx";
import { fieldProblem } from "../ui/field-problem.ts";
import { NameField, NumberField } from "../ui/fields.tsx";
import { FormDialog } from "../ui/form-dialog.tsx";
import { count, counted } from "../ui/numbers.ts";
import { PageLink } from "../ui/page-link.tsx";
import { wordsOf } from "../ui/words.ts";

export function RingsPage() {
  const query = useRoute("rings");
  const remove = useChange("removeRing");
  return (
    <EditableListPage
      title="Rings"
      lead="A rollout reaches one deployment ring after the other. Deferral counts from the publication, the deadline from the end of the deferral, the grace period from the deadline."
      label="Deployment rings"
      noun="ring"
      permission={Permission.editPolicies}
      query={query}
      columns={COLUMNS}
      empty={<Empty title="There is no ring.">Make one: rollouts need it.</Empty>}
      edit={(ring, onClose) => <RingEdit ring={ring} rings={query.data ?? []} onClose={onClose} />}
      removalEffect={({ devices }) => `Removes the ring; ${counted(devices, "device")} are in it.`}
      remove={remove.mutateAsync}
      whyNotRemove={({ devices }) =>
        devices > 0 ? `It has ${counted(devices, "device")}. Move them first.` : undefined
      }
    />
  );
}

const days = (value: number): string => counted(value, "day");

const COLUMNS: readonly Column<Ring>[] = [
  { id: "order", header: "Order", isNumber: true, cell: ({ order }) => count(order) },
  { id: "name", header: "Ring", isWide: true, cell: ({ name }) => <strong>{name}</strong> },
  { id: "kind", header: "Kind", cell: ({ kind }) => wordsOf(kind) },
  {
    id: "deferral",
    header: "Deferral",
    isNumber: true,
    cell: ({ deferralDays }) => days(deferralDays),
  },
  {
    id: "deadline",
    header: "Deadline",
    isNumber: true,
    cell: ({ deadlineDays }) => days(deadlineDays),
  },
  { id: "grace", header: "Grace period", isNumber: true, cell: ({ graceDays }) => days(graceDays) },
  {
    id: "devices",
    header: "Devices",
    isNumber: true,
    cell: ({ id, devices }) => (
      <PageLink {...paths.devices({ ringId: id })}>{count(devices)}</PageLink>
    ),
  },
];

interface RingEditProps {
  readonly ring: Ring | undefined;
  readonly rings: readonly Ring[];
  readonly onClose: () => void;
}

function RingEdit({ ring, rings, onClose }: RingEditProps) {
  const create = useChange("createRing");
  const change = useChange("changeRing");
  const last = rings.find(({ id, kind }) => kind === RingKind.last && id !== ring?.id);
  const initial = ring === undefined ? newRing(rings) : draftOf(ring);
  /** The ring Last stays after all others. */
  const makeRoom = async ({ kind, order }: RingDraft): Promise<void> => {
    if (last === undefined || kind === RingKind.last || order < last.order) return;
    await change.mutateAsync({
      params: { id: last.id },
      body: { ...draftOf(last), order: order + 1 },
    });
  };
  return (
    <FormDialog
      title={ring === undefined ? "New ring" : `Edit ${ring.name}`}
      initial={initial}
      check={checkRing}
      verb="Save"
      submit={async (body) => {
        await makeRoom(body);
        if (ring === undefined) await create.mutateAsync({ body });
        else await change.mutateAsync({ params: { id: ring.id }, body });
      }}
      onClose={onClose}
    >
      {({ value, set, field }) => (
        <>
          <NameField {...field("name")} />
          <div className="form-row">
            <Select
              label="Kind"
              allowDeselect={false}
              data={Object.values(RingKind).map((kind) => ({ value: kind, label: wordsOf(kind) }))}
              value={value.kind}
              onChange={(kind) =>
                set("kind", Object.values(RingKind).find((one) => one === kind) ?? value.kind)
              }
            />
            <NumberField
              label="Order"
              description={
                last !== undefined && value.kind !== RingKind.last && value.order >= last.order
                  ? `Lower ones go first; ${last.name} moves to ${value.order + 1}`
                  : "Lower ones go first"
              }
              isWhole
              {...field("order")}
            />
          </div>
          <div className="form-row">
            {DAY_FIELDS.map(([name, label, description]) => (
              <NumberField
                key={name}
                label={label}
                description={description}
                suffix=" days"
                {...field(name)}
              />
            ))}
          </div>
        </>
      )}
    </FormDialog>
  );
}

/** Right before the ring Last. */
const newRing = (rings: readonly Ring[]): RingDraft => ({
  name: "",
  kind: RingKind.ring,
  order: Math.max(-1, ...rings.filter(({ kind }) => kind !== "last").map(({ order }) => order)) + 1,
  deferralDays: 0,
  deadlineDays: 2,
  graceDays: 2,
});

const DAY_FIELDS = [
  ["deferralDays", "Deferral", "After publication"],
  ["deadlineDays", "Deadline", "After the deferral: windows are no longer waited for"],
  ["graceDays", "Grace period", "After the deadline: a restart that is needed is made"],
] as const;

const draftOf = ({
  name,
  kind,
  order,
  deferralDays,
  deadlineDays,
  graceDays,
}: Ring): RingDraft => ({
  name,
  kind,
  order,
  deferralDays,
  deadlineDays,
  graceDays,
});

const checkRing = (ring: RingDraft) => ({
  name: fieldProblem(RingDraft.properties.name, ring.name),
  order: fieldProblem(RingDraft.properties.order, ring.order),
  deferralDays: fieldProblem(RingDraft.properties.deferralDays, ring.deferralDays),
  deadlineDays: fieldProblem(RingDraft.properties.deadlineDays, ring.deadlineDays),
  graceDays: fieldProblem(RingDraft.properties.graceDays, ring.graceDays),
});
