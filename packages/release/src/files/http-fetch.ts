/** A channel behind a web server. */
import type { Fetch } from "../client/client.ts";
import { ReleaseError } from "../errors.ts";

/** As much of fetch as is used here: the global one, or another that is smaller. */
export type HttpRequest = (
  url: string,
  options: {
    readonly method?: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string;
    readonly signal: AbortSignal;
    /** Redirects are never followed. */
    readonly redirect: "manual";
  },
) => Promise<HttpAnswer>;

export interface HttpAnswer {
  readonly status: number;
  readonly headers: { readonly get: (name: string) => string | null };
  /** Leaving a loop over it closes the connection, as `cancel` does. */
  readonly body: (AsyncIterable<Uint8Array> & { readonly cancel: () => Promise<void> }) | null;
}

export interface HttpFetchOptions {
  /** The folder that holds `metadata` and `targets`: `https://updates.example/suture`. */
  readonly baseUrl: string;
  /** For one file, from the request to its last byte. */
  readonly timeoutMs: number;
  readonly fetch: HttpRequest;
}

/**
 * Reads files with GET requests.
 *
 * 404 and 403 mean that there is no such file (object stores say 403 for what is not there). A
 * redirect is not followed, and not a byte more than asked for is kept, whatever the server says
 * of the length. TLS is welcome and not needed: what is fetched is verified by its signatures.
 */
export function httpFetch({ baseUrl, timeoutMs, fetch }: HttpFetchOptions): Fetch {
  const base = baseUrl.replace(/\/+$/, "");
  return async (path, bytesMax) => {
    const url = `${base}/${path.split("/").map(encodeURIComponent).join("/")}`;
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      const response = await fetch(url, { signal, redirect: "manual" });
      if (response.status === 404 || response.status === 403) {
        await response.body?.cancel();
        return undefined;
      }
      if (response.status !== 200) {
        await response.body?.cancel();
        throw new ReleaseError("unreachable", path, `status ${response.status}`);
      }
      return await readBody(response, { path, bytesMax });
    } catch (error) {
      if (error instanceof ReleaseError || !(error instanceof Error)) throw error;
      const { cause } = error;
      const found = cause instanceof Error ? `${error.message}: ${cause.message}` : error.message;
      throw new ReleaseError("unreachable", path, found, { cause: error });
    }
  };
}

async function readBody(
  response: HttpAnswer,
  { path, bytesMax }: { readonly path: string; readonly bytesMax: number },
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    // Leaving the loop cancels the stream, which closes the connection.
    if (length > bytesMax) {
      throw new ReleaseError("metadata-too-large", path, `more than ${bytesMax} bytes`);
    }
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks, length));
}
