/** A form in a dialog: its fields, what is wrong with them, and what the server says. */
import { Button, Group, Modal } from "@mantine/core";
import { type ReactNode, type SubmitEvent, useState } from "react";
import { ErrorNote } from "./error-note.tsx";

export type Problems<Value> = { readonly [Field in keyof Value]?: string | undefined };

export interface Form<Value> {
  readonly value: Value;
  readonly problems: Problems<Value>;
  readonly set: <Field extends keyof Value>(field: Field, value: Value[Field]) => void;
  /** What a field of that name is given: its value, how it changes, what is wrong with it. */
  readonly field: <Field extends keyof Value>(field: Field) => FormField<Value[Field]>;
}

interface FormField<Value> {
  readonly value: Value;
  readonly onChange: (value: Value) => void;
  readonly error: string | undefined;
}

/** Fields of a form, and their problems once it was tried to be sent. */
export function useForm<Value>(initial: Value, check: (value: Value) => Problems<Value>) {
  const [value, setValue] = useState(initial);
  const [wasTried, setTried] = useState(false);
  const found = check(value);
  const problems: Problems<Value> = wasTried ? found : {};
  const set: Form<Value>["set"] = (field, changed) =>
    setValue((before) => ({ ...before, [field]: changed }));
  const form: Form<Value> = {
    value,
    problems,
    set,
    field: (field) => ({
      value: value[field],
      onChange: (changed) => set(field, changed),
      error: problems[field],
    }),
  };
  const isRight = (): boolean => {
    setTried(true);
    return Object.values(found).every((problem) => problem === undefined);
  };
  return { form, isRight };
}

interface FormDialogProps<Value> {
  readonly title: string;
  readonly initial: Value;
  readonly check: (value: Value) => Problems<Value>;
  readonly verb: string;
  /** Resolves when it is done; what it throws is shown, and the dialog stays. */
  readonly submit: (value: Value) => Promise<unknown>;
  readonly onClose: () => void;
  readonly children: (form: Form<Value>) => ReactNode;
  readonly size?: string | number;
}

export function FormDialog<Value>({
  title,
  initial,
  check,
  verb,
  submit,
  onClose,
  children,
  size = "lg",
}: FormDialogProps<Value>) {
  const { form, isRight } = useForm(initial, check);
  const [error, setError] = useState<Error>();
  const [busy, setBusy] = useState(false);

  const send = async (event: SubmitEvent) => {
    event.preventDefault();
    if (!isRight()) return;
    setBusy(true);
    setError(undefined);
    try {
      await submit(form.value);
      onClose();
    } catch (thrown) {
      setError(thrown instanceof Error ? thrown : new Error(String(thrown)));
      setBusy(false);
    }
  };

  return (
    <Modal opened onClose={onClose} title={title} size={size} closeOnClickOutside={false}>
      <form onSubmit={send} className="form" noValidate>
        {children(form)}
        <ErrorNote error={error} />
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={busy}>
            {verb}
          </Button>
        </Group>
      </form>
    </Modal>
  );
}
