/**
 * Steps 1 to 5 without their effects: everything that can be known before the process is touched.
 */
import { toVirtualAddr, type VirtualAddr, virtualAddr } from "../bytes/address.ts";
import { FormatError } from "../bytes/format-error.ts";
import { type Layout, planLayout } from "../link/layout.ts";
import { type LinkedImage, linkObject } from "../link/relocate.ts";
import type { InjectedCall } from "../process/injected-call.ts";
import { SYSCALL } from "../process/interrupted-call.ts";
import { isRefusal, type Refusal, refuse } from "../refusals.ts";
import { callbackAreaSize, placeCallbacks } from "./callbacks.ts";
import type { Hotpatch } from "./hotpatch.ts";
import { type CallMeans, findCallMeans } from "./injection.ts";
import { checkOriginalCode, planJumps, withOriginals } from "./jumps.ts";
import { encodeLedger, type Ledger, type LedgerEntry } from "./ledger.ts";
import type { LoadedModule, ReadMemory } from "./loaded-module.ts";
import { checkPatchable, describe, findModule } from "./locate.ts";
import { choosePlace } from "./place.ts";
import { createResolver, linkOrder } from "./resolve.ts";
import type { CodeRange } from "./safety.ts";
import { isSealIntact } from "./seal.ts";
import type { SpareRoom } from "./spare-room.ts";
import { entriesInModule, MAPPING_NAME, type PresentPatch, type Target } from "./target.ts";
import {
  findVariables,
  type KeptVariables,
  keepVariables,
  type NewVariable,
  recordVariables,
} from "./variables.ts";

const PAGE_SIZE = 4096;
const PROT = { "r--": 1, "rw-": 3, "r-x": 5 } as const;
const MAP_PRIVATE_FIXED_NOREPLACE = 0x10_0002;
const MFD_CLOEXEC = 1;
const MFD_EXEC = 0x10; // Linux 6.3; before, the kernel does not know the flag.

export interface ApplyPlan {
  readonly module: LoadedModule;
  readonly ledger: Ledger;
  /** Bytes of memory for the ledger alone. */
  readonly ledgerSize: number;
  readonly image: LinkedImage;
  readonly means: CallMeans;
  readonly name: string;
  /** The calls that map the memory. */
  readonly createFile: InjectedCall;
  readonly mapFile: (descriptor: number) => readonly InjectedCall[];
  /** What the calls map, in their order. */
  readonly mapped: readonly { readonly start: VirtualAddr; readonly end: VirtualAddr }[];
  /** Code that must not be on any stack when the entries are switched. */
  readonly ranges: readonly CodeRange[];
  readonly superseded: PresentPatch | undefined;
}

/** Everything that applying will do, or why it will not be done. Nothing is changed. */
export function planApply(
  target: Target,
  hotpatch: Hotpatch,
  kernel: { readonly knowsMfdExec: boolean },
): ApplyPlan | Refusal {
  const { image, patches } = target;
  const { description } = hotpatch;
  try {
    if (!isSealIntact(hotpatch.bytes)) {
      return refuse(
        "bad-hotpatch",
        `the file of hotpatch ${description.id} was altered: its digest does not fit its content`,
        "fetch or build the hotpatch file again",
      );
    }
    const blocked = checkPatchable(image) ?? checkPresent(target, hotpatch);
    if (blocked) return blocked;
    const module = findModule(image, description.target);
    if (isRefusal(module)) return module;
    const superseded = patches.find(
      ({ ledger }) =>
        ledger.buildId === module.buildId && entriesInModule(target, ledger).length > 0,
    );
    const read = withOriginals(target.read, superseded?.ledger.entries ?? []);
    const changed =
      checkTextRelocations(module) ?? checkOriginalCode(module, description.functions, read);
    if (changed) return changed;
    const replacements = new Set(description.functions.map((entry) => entry.replacement));
    const variables = findVariables(hotpatch.object, replacements);
    const kept = keepVariables(variables, superseded?.ledger);
    if (isRefusal(kept)) return kept;
    return planImage({ target, hotpatch, module, superseded, variables, kept, read, kernel });
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return refuse(
      "bad-hotpatch",
      `hotpatch ${description.id} or a module of ${describe(image)}: ${error.message}`,
      "build the hotpatch file again",
    );
  }
}

interface ImageRequest {
  readonly target: Target;
  readonly hotpatch: Hotpatch;
  readonly module: LoadedModule;
  readonly superseded: PresentPatch | undefined;
  readonly variables: readonly NewVariable[];
  /** Those of them that the process has already. */
  readonly kept: KeptVariables;
  /** The process's memory without the jumps of the hotpatch that is superseded. */
  readonly read: ReadMemory;
  readonly kernel: { readonly knowsMfdExec: boolean };
}

function planImage(request: ImageRequest): ApplyPlan | Refusal {
  const { target, hotpatch, module } = request;
  const { description } = hotpatch;
  const callbacks = description.callbacks ?? [];
  const guarded = checkShadowStack(target, callbacks.length);
  if (guarded) return guarded;
  const kept = request.kept.sections;
  const layout = planLayout(hotpatch.object, { kept, hasCallbacks: callbacks.length > 0 });
  if (isRefusal(layout)) return layout;
  const ledgerSize = ledgerSizeMax(request);
  const areaSize = callbackAreaSize(callbacks);
  const size = ledgerSize + areaSize + layout.size;
  const start = choosePlaceFor(request, size);
  if (isRefusal(start)) return start;
  const base = virtualAddr(start + ledgerSize + areaSize);
  const resolve = createResolver({
    modules: linkOrder(target.image.modules, target.read),
    target: module,
    references: description.references,
    readMemory: target.read,
  });
  const replaced = new Map(
    description.functions.map((entry) => [
      entry.replacement,
      toVirtualAddr(entry.address, module.bias),
    ]),
  );
  const linked = linkObject(hotpatch.object, layout, base, resolve, replaced);
  if (isRefusal(linked)) return linked;
  const jumps = planJumps({
    module,
    functions: description.functions,
    symbols: linked.symbols,
    read: request.read,
  });
  if (isRefusal(jumps)) return jumps;
  const mapping = planMapping({ ...request, layout, start, ledgerSize, areaSize });
  if (isRefusal(mapping)) return mapping;
  const placed = placeCallbacks(callbacks, linked, start + ledgerSize);
  if (isRefusal(placed)) return placed;
  const ledger: Ledger = {
    id: description.id,
    sequence: description.sequence,
    buildId: description.target.buildId,
    module: module.path,
    start,
    size,
    text: segmentRange(linked, "r-x"),
    ehFrame: linked.ehFrame ?? { address: base, size: 0 },
    data: dataRange(linked),
    variables: recordVariables(request.variables, layout, base),
    keeps: request.kept.keeps,
    callbacks: placed,
    spareRooms: [],
    supersedes: request.superseded?.ledger.id ?? null,
    entries: planEntries(jumps, request.superseded, target.read),
  };
  return {
    module,
    ledger,
    ledgerSize,
    image: linked,
    ...mapping,
    ranges: rangesInTheWay(request),
    superseded: request.superseded,
  };
}

/** The runner ends in `iretq`, which a guarded return address does not allow. */
function checkShadowStack({ image }: Target, callbacks: number): Refusal | undefined {
  if (callbacks === 0 || !image.hasShadowStack) return undefined;
  return refuse(
    "no-thread-for-callback",
    `${describe(image)} guards its return addresses (shadow stacks)`,
    "a restart with the fixed package is needed for this process",
  );
}

/** A free place from which the module and the variables that are there already can be reached. */
function choosePlaceFor(
  { target, module, kept }: ImageRequest,
  size: number,
): VirtualAddr | Refusal {
  const start = choosePlace({
    mappings: target.image.mappings,
    start: virtualAddr(Math.min(module.start, ...kept.keeps.map(({ address }) => address))),
    end: virtualAddr(Math.max(module.end, ...kept.keeps.map((it) => it.address + it.size))),
    size,
    taken: [],
  });
  if (start !== undefined) return start;
  const also = kept.keeps.length > 0 ? " and of the variables of earlier hotpatches" : "";
  return refuse(
    "no-room-near-module",
    `${describe(target.image)} has no ${size} free bytes within 2 GiB of ${module.path}${also}`,
    "a restart with the fixed package is needed for this process",
  );
}

/** Refuses what is in the process already: the same hotpatch or a newer one. */
function checkPresent(target: Target, { description }: Hotpatch): Refusal | undefined {
  const process = describe(target.image);
  for (const { ledger } of target.patches) {
    if (entriesInModule(target, ledger).length === 0) continue; // Of a library that is gone.
    if (ledger.id === description.id) {
      return refuse(
        "already-applied",
        `${process} has hotpatch ${ledger.id} already`,
        `nothing to do; see: suture status --pid ${target.pid}`,
      );
    }
    if (ledger.buildId === description.target.buildId && ledger.sequence > description.sequence) {
      return refuse(
        "newer-applied",
        `${process} has hotpatch ${ledger.id}, sequence ${ledger.sequence}; this one has ${description.sequence}`,
        `nothing to do, hotpatches are cumulative; to go back: suture revert --pid ${target.pid} ${ledger.id}`,
      );
    }
  }
  return undefined;
}

/** Code that the loader changes cannot be compared with what the hotpatch was built from. */
function checkTextRelocations(module: LoadedModule): Refusal | undefined {
  const changed = module.mappings.some((mapping) => mapping.executable && mapping.writable);
  if (!changed) return undefined;
  return refuse(
    "text-relocations",
    `${module.path} has code that is writable`,
    "a restart with the fixed package is needed for this process",
  );
}

/** The entries of the new hotpatch, and those of the superseded one that it leaves as they were. */
function planEntries(
  jumps: readonly Omit<LedgerEntry, "before">[],
  superseded: PresentPatch | undefined,
  read: ReadMemory,
): LedgerEntry[] {
  const entries = jumps.map((jump) => ({
    ...jump,
    before: read(jump.address, jump.original.length) ?? jump.original,
  }));
  for (const old of superseded?.ledger.entries ?? []) {
    if (entries.some((entry) => entry.address === old.address)) continue;
    entries.push({ ...old, before: old.after, after: old.original });
  }
  return entries;
}

function planMapping(request: {
  readonly target: Target;
  readonly hotpatch: Hotpatch;
  readonly layout: Layout;
  readonly start: VirtualAddr;
  readonly ledgerSize: number;
  readonly areaSize: number;
  readonly kernel: { readonly knowsMfdExec: boolean };
}): Pick<ApplyPlan, "means" | "name" | "createFile" | "mapFile" | "mapped"> | Refusal {
  const { target, layout, start, ledgerSize, areaSize, kernel } = request;
  const linkedAt = ledgerSize + areaSize;
  const name = `${MAPPING_NAME}${request.hotpatch.description.id}`;
  const parts = [
    { protection: "r--" as const, offset: 0, size: ledgerSize },
    { protection: "rw-" as const, offset: ledgerSize, size: areaSize },
    ...layout.segments.map((segment) => ({ ...segment, offset: segment.offset + linkedAt })),
  ].filter((part) => part.size > 0);
  const means = findCallMeans(target, name);
  if (isRefusal(means)) return means;
  const mapFile = (descriptor: number): InjectedCall[] => [
    ...parts.map(({ offset, size, protection }) => ({
      number: SYSCALL.mmap,
      args: [
        start + offset,
        size,
        PROT[protection],
        MAP_PRIVATE_FIXED_NOREPLACE,
        descriptor,
        offset,
      ],
    })),
    { number: SYSCALL.close, args: [descriptor] },
  ];
  return {
    means,
    name,
    createFile: {
      number: SYSCALL.memfd_create,
      args: ["name", MFD_CLOEXEC | (kernel.knowsMfdExec ? MFD_EXEC : 0)],
    },
    mapFile,
    mapped: parts.map((part) => ({
      start: virtualAddr(start + part.offset),
      end: virtualAddr(start + part.offset + part.size),
    })),
  };
}

function rangesInTheWay(request: ImageRequest): CodeRange[] {
  const { module, hotpatch, superseded } = request;
  const ranges: CodeRange[] = hotpatch.description.functions.flatMap((replaced) =>
    [replaced, ...replaced.parts].map((part) => ({
      name: replaced.name,
      start: toVirtualAddr(part.address, module.bias),
      end: virtualAddr(toVirtualAddr(part.address, module.bias) + part.size),
    })),
  );
  if (superseded) ranges.push(textRange(superseded));
  return ranges;
}

/** The code of a hotpatch in the process. */
export const textRange = ({ ledger }: PresentPatch): CodeRange => ({
  name: `hotpatch ${ledger.id}`,
  start: ledger.text.address,
  end: virtualAddr(ledger.text.address + ledger.text.size),
});

function segmentRange(
  image: LinkedImage,
  protection: string,
): { address: VirtualAddr; size: number } {
  const segment = image.segments.find((candidate) => candidate.protection === protection);
  return {
    address: virtualAddr(image.base + (segment?.offset ?? 0)),
    size: segment?.bytes.length ?? 0,
  };
}

/** Constants and variables, which lie side by side; empty where there is no variable to keep. */
function dataRange(image: LinkedImage): { address: VirtualAddr; size: number } {
  const variables = segmentRange(image, "rw-");
  if (variables.size === 0) return { address: image.base, size: 0 };
  const constants = segmentRange(image, "r--");
  const address = constants.size > 0 ? constants.address : variables.address;
  return { address, size: variables.address + variables.size - address };
}

/** The ledger holds addresses that depend on its own size, so room for it is reckoned before. */
function ledgerSizeMax(request: ImageRequest): number {
  const { module, hotpatch, superseded, variables, kept } = request;
  const escaped = (text: string): number => text.length * 6;
  const names = [
    ...hotpatch.description.functions.map((entry) => entry.name),
    ...(superseded?.ledger.entries ?? []).map((entry) => entry.name),
    ...variables.map((variable) => variable.name),
    ...(hotpatch.description.callbacks ?? []).map(({ symbol, unit }) => symbol + unit),
  ];
  const entries = names.reduce((size, name) => size + 192 + escaped(name), 0);
  return alignToPage(1536 + escaped(module.path) + entries + kept.keeps.length * 64);
}

/** The ledger's bytes as they are written before the switch. */
export const preparedLedger = (plan: ApplyPlan, rooms: readonly SpareRoom[]): Uint8Array =>
  encodeLedger({ ...plan.ledger, spareRooms: rooms }, "prepared");

const alignToPage = (size: number): number => Math.ceil(size / PAGE_SIZE) * PAGE_SIZE;
