/** An error: what happened, and what to do next. */
import { Alert, Button } from "@mantine/core";
import { ApiError } from "@suture/contract";
import { IconAlertTriangle } from "@tabler/icons-react";

/** What any error is for people. Whatever fetch throws means that the server was not reached. */
export function explain(error: Error): { readonly text: string; readonly next: string } {
  if (error instanceof ApiError) return { text: sentence(error.message), next: error.next };
  if (error instanceof TypeError) {
    return {
      text: "The server cannot be reached.",
      next: "look at the network, and whether the server runs; the console tries again by itself",
    };
  }
  return { text: sentence(error.message), next: "load the page again; if it stays, report it" };
}

const sentence = (text: string): string => {
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
};

interface ErrorNoteProps {
  readonly error: Error | null | undefined;
  readonly again?: () => void;
}

export function ErrorNote({ error, again }: ErrorNoteProps) {
  if (error === null || error === undefined) return null;
  const { text, next } = explain(error);
  return (
    <Alert
      role="alert"
      color="red"
      variant="outline"
      className="note"
      icon={<IconAlertTriangle aria-hidden="true" />}
      title={text}
    >
      <div className="note-next">
        <span>Next: {next}.</span>
        {again !== undefined && (
          <Button variant="default" onClick={again}>
            Try again
          </Button>
        )}
      </div>
    </Alert>
  );
}
