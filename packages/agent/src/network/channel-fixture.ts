/** A release channel as the network half mirrors it. */
import { join } from "node:path";
import { BASELINE, createProductChannel, entryOf } from "../product-channel-fixture.ts";

export interface TestChannel {
  /** What a web server would serve. */
  readonly folder: string;
  readonly root: Uint8Array;
  readonly targetOf: (sequence: number) => string;
  /** Adds, signs and publishes a hotpatch. */
  readonly publishHotpatch: (sequence: number, payload: Uint8Array) => Promise<void>;
}

export interface ChannelRequest {
  readonly folder: string;
  readonly buildId: string;
  readonly now: Date;
  /** Of which the program is called like it: `redis`. */
  readonly product?: string;
}

export async function createTestChannel({
  folder,
  buildId,
  now,
  product = "redis",
}: ChannelRequest): Promise<TestChannel> {
  const entry = (sequence: number) =>
    entryOf({
      id: sequence === 0 ? `${product}-${BASELINE}` : `${product}-${sequence}`,
      sequence,
      component: { file: product, buildId, package: product, version: "1" },
    });
  const channel = await createProductChannel({
    ...{ folder, product, baseline: entry(0), now: () => now },
  });
  return {
    folder: join(folder, "public"),
    root: channel.root,
    targetOf: (sequence) => `${product}/${BASELINE}/${buildId}.${sequence}.hotpatch`,
    publishHotpatch: async (sequence, payload) => {
      await channel.add(entry(sequence), payload);
      await channel.publish();
    },
  };
}
