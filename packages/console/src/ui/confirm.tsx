/** Asks before something is done: what it would mean, in numbers, and for the reason. */
import { Button, Group, Modal, Text, Textarea } from "@mantine/core";
import { type ReactNode, type SubmitEvent, useState } from "react";
import { ErrorNote } from "./error-note.tsx";

export interface ConfirmProps {
  readonly title: string;
  /** What happens, in numbers. */
  readonly effect: ReactNode;
  /** The verb on the button. */
  readonly verb: string;
  readonly danger?: boolean;
  /** Others will ask why: the audit log keeps it. */
  readonly reason?: "required" | "optional";
  /** Resolves when it is done; what it throws is shown, and the dialog stays. */
  readonly act: (reason: string | undefined) => Promise<unknown>;
  readonly onClose: () => void;
}

const REASON_LENGTH_MIN = 3;
const REASON_LENGTH_MAX = 500;

export function Confirm({
  title,
  effect,
  verb,
  danger = false,
  reason,
  act,
  onClose,
}: ConfirmProps) {
  const [text, setText] = useState("");
  const [error, setError] = useState<Error>();
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState(false);

  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const given = text.trim();
    if (given.length < REASON_LENGTH_MIN && (reason === "required" || given !== "")) {
      setProblem(`Write a reason of ${REASON_LENGTH_MIN} characters or more.`);
      return;
    }
    setBusy(true);
    try {
      await act(given === "" ? undefined : given);
      onClose();
    } catch (thrown) {
      setError(thrown instanceof Error ? thrown : new Error(String(thrown)));
      setBusy(false);
    }
  };

  return (
    <Modal opened onClose={onClose} title={title} size="md">
      <form onSubmit={submit} className="form">
        <Text component="div">{effect}</Text>
        {reason !== undefined && (
          <Textarea
            label="Reason"
            description="The audit log keeps it."
            withAsterisk={reason === "required"}
            value={text}
            onChange={(event) => setText(event.currentTarget.value)}
            maxLength={REASON_LENGTH_MAX}
            error={problem}
            data-autofocus
          />
        )}
        <ErrorNote error={error} />
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={busy} {...(danger && { color: "red" })}>
            {verb}
          </Button>
        </Group>
      </form>
    </Modal>
  );
}
