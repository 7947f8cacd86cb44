/** A target of the release channel: `redis/2026-10/BUILD-ID.3.hotpatch`, short, whole on hover. */
export function Target({ target }: { readonly target: string }) {
  return (
    <code title={target} className="target">
      {shortTarget(target)}
    </code>
  );
}

/** `redis/2026-10/ab12cd34….3.hotpatch`. */
export const shortTarget = (target: string): string =>
  target.replace(/\/([0-9a-f]{8})[0-9a-f]{9,}\./, "/$1….");
