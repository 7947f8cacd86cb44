/** A small release channel for the measurement: one product, one hotpatch that can be published. */
import {
  BASELINE,
  createProductChannel,
  entryOf,
} from "../packages/agent/src/product-channel-fixture.ts";

export interface MeasuredChannel {
  /** Publishes a hotpatch for this Build-ID; gives its target. */
  readonly publishHotpatch: (buildId: string) => Promise<string>;
}

const PRODUCT = "measured";

/** Made and published in this folder, with the baseline of one program. */
export async function openMeasuredChannel(
  folder: string,
  buildId: string,
): Promise<MeasuredChannel> {
  const channel = await createProductChannel({
    folder,
    product: PRODUCT,
    baseline: measuredEntry(buildId, 0),
    now: () => new Date(),
  });
  let sequence = 0;
  return {
    async publishHotpatch(of) {
      sequence += 1;
      const payload = new TextEncoder().encode(`no hotpatch: simulated devices apply nothing`);
      const target = await channel.add(measuredEntry(of, sequence), payload);
      await channel.publish();
      return target;
    },
  };
}

const measuredEntry = (buildId: string, sequence: number) =>
  entryOf({
    id: `${PRODUCT}-${BASELINE}-${sequence}`,
    sequence,
    component: { file: "program-0", buildId, package: PRODUCT, version: "1.0-1" },
    released: new Date().toISOString().slice(0, 10),
  });
