/** Keys: `g` and a letter opens a page, `/` goes to the filter, `?` lists them all. */
import { Kbd, Modal } from "@mantine/core";
import { useRouter } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { NAVIGATION } from "./navigation.tsx";

/** How long after `g` a letter still counts. */
const SECOND_KEY_MS = 1500;

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName));

/** Whether the list of keys is open; also opened by its button. */
export function useShortcuts(): {
  isListOpen: boolean;
  openList: () => void;
  closeList: () => void;
} {
  const router = useRouter();
  const [isListOpen, setListOpen] = useState(false);
  const firstKeyAt = useRef(Number.NEGATIVE_INFINITY);

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      // A dialog has the keyboard to itself.
      if (document.querySelector('[role="dialog"]') !== null) return;
      const isSecond = event.timeStamp - firstKeyAt.current < SECOND_KEY_MS;
      firstKeyAt.current = Number.NEGATIVE_INFINITY;
      if (isSecond) {
        const entry = NAVIGATION.flat().find(({ letter }) => letter === event.key);
        if (entry !== undefined) {
          event.preventDefault();
          void router.navigate({ to: entry.place.to, search: {} });
        }
      } else if (event.key === "g") firstKeyAt.current = event.timeStamp;
      else if (event.key === "?") setListOpen(true);
      else if (event.key === "/") {
        const filter = document.querySelector<HTMLInputElement>("[data-filter]");
        if (filter !== null) {
          event.preventDefault();
          filter.focus();
        }
      }
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [router]);

  return { isListOpen, openList: () => setListOpen(true), closeList: () => setListOpen(false) };
}

const Keys = ({ keys }: { readonly keys: readonly string[] }) => (
  <span className="keys">
    {keys.map((key) => (
      <Kbd key={key}>{key}</Kbd>
    ))}
  </span>
);

export const ShortcutList = ({ onClose }: { readonly onClose: () => void }) => (
  <Modal opened onClose={onClose} title="Keyboard shortcuts">
    <dl className="shortcuts">
      {NAVIGATION.flat().map(({ name, letter }) => (
        <div key={name}>
          <dt>Open {name}</dt>
          <dd>{letter === "g" ? <Keys keys={["g ", "g"]} /> : <Keys keys={["g", letter]} />}</dd>
        </div>
      ))}
      <div>
        <dt>Go to the filter of the page</dt>
        <dd>
          <Keys keys={["/"]} />
        </dd>
      </div>
      <div>
        <dt>Show this list</dt>
        <dd>
          <Keys keys={["?"]} />
        </dd>
      </div>
      <div>
        <dt>Close a dialog</dt>
        <dd>
          <Keys keys={["Esc"]} />
        </dd>
      </div>
    </dl>
  </Modal>
);
