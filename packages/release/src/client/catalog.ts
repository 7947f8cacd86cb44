/** What a channel offers, after everything that says so was verified. */

import type { ReleaseProblem } from "../errors.ts";
import type { Calendar } from "../metadata/calendar.ts";
import type { ChannelSigned, ProductSigned } from "../metadata/metadata.ts";
import type { UpdateEntry } from "../metadata/update-entry.ts";

export interface Catalog {
  readonly versions: {
    readonly root: number;
    readonly timestamp: number;
    readonly snapshot: number;
    readonly targets: number;
  };
  /** From this moment on nothing here is to be believed: the earliest expiry of all that signs. */
  readonly expires: string;
  readonly calendar: Calendar;
  readonly products: readonly CatalogProduct[];
  /** Of all products, in the order of product, baseline and sequence. Withdrawn ones too. */
  readonly updates: readonly QualityUpdate[];
}

export interface CatalogProduct {
  readonly name: string;
  /** Why nothing of this product is offered; the other products are not concerned. */
  readonly problem?: { readonly reason: ReleaseProblem; readonly detail: string };
}

export interface QualityUpdate extends UpdateEntry {
  readonly product: string;
  /** What `download` takes: `redis/2026-10/BUILD-ID.3.hotpatch`. */
  readonly target: string;
  readonly length: number;
  readonly sha256: string;
}

export interface CatalogParts {
  readonly versions: Catalog["versions"];
  readonly expires: readonly string[];
  readonly channel: ChannelSigned;
  readonly products: readonly (CatalogProduct & { readonly signed?: ProductSigned })[];
}

/** Puts the catalog together; takes verified metadata only. */
export function buildCatalog({ versions, expires, channel, products }: CatalogParts): Catalog {
  const updates = products.flatMap(({ name, signed }) =>
    signed === undefined ? [] : updatesOf(name, signed),
  );
  const moments = [...expires, ...products.flatMap(({ signed }) => signed?.expires ?? [])];
  return {
    versions,
    expires: moments.sort()[0] ?? "",
    calendar: channel.targets["calendar.json"].custom,
    products: products.map(({ name, problem }) => ({ name, ...(problem && { problem }) })),
    updates,
  };
}

const updatesOf = (product: string, signed: ProductSigned): QualityUpdate[] =>
  Object.entries(signed.targets)
    .map(([target, { length, hashes, custom }]) => ({
      ...custom,
      product,
      target,
      length,
      sha256: hashes.sha256,
    }))
    .sort((a, b) => compareTexts(a.baseline, b.baseline) || a.sequence - b.sequence);

const compareTexts = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
