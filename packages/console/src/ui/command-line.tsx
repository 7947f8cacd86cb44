/** A command to paste into a terminal, with a button that copies it. */
import { Button, CopyButton } from "@mantine/core";
import { IconCheck, IconCopy } from "@tabler/icons-react";

interface CommandLineProps {
  readonly command: string;
  /** What it is, for people who do not see it. */
  readonly label?: string;
}

export const CommandLine = ({ command, label = "command" }: CommandLineProps) => (
  <div className="command">
    <code>{command}</code>
    <CopyButton value={command}>
      {({ copied, copy }) => (
        <Button
          variant="default"
          size="compact-xs"
          onClick={copy}
          aria-label={`Copy the ${label}`}
          leftSection={copied ? <IconCheck size={14} /> : <IconCopy size={14} />}
        >
          {copied ? "Copied" : "Copy"}
        </Button>
      )}
    </CopyButton>
  </div>
);
