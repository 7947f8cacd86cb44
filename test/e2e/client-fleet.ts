/** The main job's side of clients.ts: starts that program and asks it. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Answer, FleetReport, Request } from "./clients.ts";

export interface ClientFleet {
  /** From here the round trips are counted under this name. */
  window(name: string): Promise<void>;
  /** Looks after every connection, and tells what was seen until now. */
  look(): Promise<FleetReport>;
  /** Ends the load, commits the transaction, closes the connections and tells all. */
  finish(): Promise<FleetReport>;
  kill(): void;
}

/** Connects all clients to a server on the loopback address; throws when it answers wrongly. */
export async function openClientFleet(port: number): Promise<ClientFleet> {
  const program = fileURLToPath(new URL("./clients.ts", import.meta.url));
  const child = fork(program, [String(port)], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  await answerOf(child, "ready");
  const ask = async <Kind extends Answer["answer"]>(request: Request, kind: Kind) => {
    const answered = answerOf(child, kind);
    child.send(request);
    return await answered;
  };
  return {
    async window(name) {
      await ask({ ask: "window", name }, "window");
    },
    look: async () => (await ask({ ask: "look" }, "report")).report,
    finish: async () => (await ask({ ask: "finish" }, "report")).report,
    kill: () => void child.kill("SIGKILL"),
  };
}

async function answerOf<Kind extends Answer["answer"]>(
  child: ChildProcess,
  kind: Kind,
): Promise<Extract<Answer, { answer: Kind }>> {
  const ended = new AbortController();
  const isWanted = (answer: Answer): answer is Extract<Answer, { answer: Kind }> =>
    answer.answer === kind;
  const exit = once(child, "exit", { signal: ended.signal }).then((): never => {
    throw new Error(`the clients ended before they answered "${kind}"`);
  });
  try {
    const [answer] = (await Promise.race([
      once(child, "message", { signal: ended.signal }),
      exit,
    ])) as [Answer];
    if (answer.answer === "failed") throw new Error(`clients: ${answer.message}`);
    if (!isWanted(answer)) throw new Error(`the clients answered ${answer.answer}, not ${kind}`);
    return answer;
  } finally {
    ended.abort();
    exit.catch(() => undefined);
  }
}
