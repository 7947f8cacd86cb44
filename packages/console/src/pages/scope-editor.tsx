/** Edits a dynamic scope: conditions, and lists of them of which all or any must hold. */
import { ActionIcon, Button, Checkbox, Select, TextInput } from "@mantine/core";
import { Readiness } from "@suture/contract";
import { IconTrash } from "@tabler/icons-react";
import { READINESS } from "../ui/words.ts";
import { EMPTY_LEAF, LEAVES, type ScopeNode, withKind } from "./scope-tree.ts";

/** The server takes 8 levels; more than 4 nobody reads. */
const DEPTH_MAX = 4;
const CHILDREN_MAX = 20;

interface ScopeEditorProps {
  readonly node: ScopeNode;
  readonly onChange: (node: ScopeNode) => void;
  readonly onRemove?: () => void;
  readonly depth?: number;
}

const LIST_KINDS = [
  { value: "all", label: "all of these hold" },
  { value: "any", label: "any of these holds" },
];
const LEAF_KINDS = Object.entries(LEAVES).map(([value, label]) => ({ value, label }));
const HINTS: Readonly<Record<string, string>> = {
  tag: "env:production",
  hostname: "web-*",
  package: "redis-server",
  system: "Debian GNU/Linux 12",
  buildId: "3f2a… as `suture status` shows it",
};

export function ScopeEditor({ node, onChange, onRemove, depth = 1 }: ScopeEditorProps) {
  const isOutermost = depth === 1;
  const kinds = isOutermost
    ? LIST_KINDS
    : depth < DEPTH_MAX
      ? [...LEAF_KINDS, ...LIST_KINDS]
      : LEAF_KINDS;
  return (
    <div className={isOutermost ? "scope" : "scope scope-inner"}>
      <div className="scope-row">
        {!isOutermost && (
          <Checkbox
            label="not"
            checked={node.not}
            onChange={(event) => onChange({ ...node, not: event.currentTarget.checked })}
          />
        )}
        <Select
          aria-label="Condition"
          allowDeselect={false}
          w={190}
          data={kinds}
          value={node.kind}
          onChange={(kind) => {
            const known = KINDS.find((one) => one === kind);
            if (known !== undefined) onChange(withKind(node, known));
          }}
        />
        {"value" in node && <LeafValue node={node} onChange={onChange} />}
        {onRemove !== undefined && (
          <ActionIcon aria-label="Remove the condition" onClick={onRemove}>
            <IconTrash size={16} />
          </ActionIcon>
        )}
      </div>
      {"children" in node && <Children node={node} onChange={onChange} depth={depth} />}
    </div>
  );
}

const KINDS: readonly ScopeNode["kind"][] = [
  "all",
  "any",
  "tag",
  "hostname",
  "package",
  "system",
  "readiness",
  "buildId",
];

function LeafValue({
  node,
  onChange,
}: {
  readonly node: Extract<ScopeNode, { value: string }>;
  readonly onChange: (node: ScopeNode) => void;
}) {
  if (node.kind === "readiness") {
    return (
      <Select
        aria-label="Value"
        className="scope-value"
        allowDeselect={false}
        data={Object.values(Readiness).map((value) => ({ value, label: READINESS[value] }))}
        value={node.value}
        onChange={(value) => onChange({ ...node, value: value ?? Readiness.ready })}
      />
    );
  }
  return (
    <TextInput
      aria-label="Value"
      className="scope-value"
      placeholder={HINTS[node.kind] ?? ""}
      value={node.value}
      onChange={(event) => onChange({ ...node, value: event.currentTarget.value })}
    />
  );
}

function Children({
  node,
  onChange,
  depth,
}: {
  readonly node: Extract<ScopeNode, { children: readonly ScopeNode[] }>;
  readonly onChange: (node: ScopeNode) => void;
  readonly depth: number;
}) {
  const { children } = node;
  return (
    <>
      {children.map((child, index) => (
        <ScopeEditor
          // biome-ignore lint/suspicious/noArrayIndexKey: conditions have no name but their place.
          key={index}
          node={child}
          depth={depth + 1}
          onChange={(changed) => onChange({ ...node, children: children.with(index, changed) })}
          {...(children.length > 1 && {
            onRemove: () => onChange({ ...node, children: children.toSpliced(index, 1) }),
          })}
        />
      ))}
      <div>
        <Button
          variant="default"
          size="compact-sm"
          disabled={children.length >= CHILDREN_MAX}
          onClick={() => onChange({ ...node, children: [...children, EMPTY_LEAF] })}
        >
          Add a condition
        </Button>
      </div>
    </>
  );
}
