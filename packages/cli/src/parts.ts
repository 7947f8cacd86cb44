/** The parts of engine and builder that the commands use. */
import type { HotpatchManifest } from "@suture/release";

// The types stand here until both packages export them.
export interface Refusal {
  readonly refused: string;
  readonly detail: string;
  readonly next: string;
}
export interface Hotpatch {
  readonly bytes: Uint8Array;
  readonly description: {
    readonly id: string;
    readonly sequence: number;
    readonly target: { readonly buildId: string; readonly name: string };
    readonly functions: readonly {
      readonly name: string;
      readonly address: number;
      readonly size: number;
      readonly replacement: string;
      readonly parts: readonly unknown[];
    }[];
    readonly references: readonly { readonly symbol: string; readonly kind: string }[];
  };
}
export interface AppliedHotpatch {
  readonly id: string;
  readonly sequence: number;
  readonly state: string;
  readonly functions: readonly { readonly name: string; readonly address: number }[];
  readonly pages: number;
  readonly mapping: string;
}
export interface ProcessSummary {
  readonly pid: number;
  readonly command: string;
  readonly executable: string;
  readonly buildId?: string;
  readonly modules: readonly {
    readonly name: string;
    readonly path: string;
    readonly buildId?: string;
    readonly deleted: boolean;
  }[];
  readonly patchable: true | Refusal;
  readonly applied: readonly string[];
}
export interface Report {
  readonly pauseUs: number;
  readonly threads: number;
  readonly attempts: number;
}
export interface Engine {
  check(pid: number, hotpatch: Hotpatch): object | Refusal;
  apply(
    pids: readonly number[],
    hotpatch: Hotpatch,
    options?: { onStep?: (step: string) => void; timeoutMs?: number },
  ): Report | (Refusal & { pid: number });
  revert(
    pids: readonly number[],
    id: string,
    options?: { onStep?: (step: string) => void; timeoutMs?: number },
  ): Report | (Refusal & { pid: number });
  status(pid: number): readonly AppliedHotpatch[] | Refusal;
  processes(): readonly ProcessSummary[];
  recover(pid: number): object | undefined;
}
export interface EngineParts {
  readonly parseHotpatch: (bytes: Uint8Array) => Hotpatch | Refusal;
  readonly isRefusal: (value: unknown) => value is Refusal;
  readonly engine: Engine;
  readonly sectionNamed: (hotpatch: Hotpatch, name: string) => Uint8Array | undefined;
}
interface CommonRequest {
  readonly cacheFolder: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly sequence?: number;
}
export interface TreeRequest extends CommonRequest {
  readonly kind: "tree";
  readonly source: string;
  readonly patch: string;
  readonly compileCommands?: string;
  readonly buildCommand?: readonly string[];
  readonly binary: string;
  readonly debugFile?: string;
}
export interface DebRequest extends CommonRequest {
  readonly kind: "deb";
  readonly package: string;
  readonly from: string;
  readonly to?: string;
  readonly patches?: readonly string[];
  readonly binary?: string;
}
export type BuildRequest = TreeRequest | DebRequest;
export interface BuiltHotpatch {
  readonly bytes: Uint8Array;
  readonly description: Hotpatch["description"];
  readonly manifest: HotpatchManifest;
  readonly notes: readonly string[];
  readonly binary: string;
}
export interface BuildRefusal {
  readonly refused: string;
  readonly items: readonly { name: string; code: string; detail: string }[];
  readonly next: string;
}
export interface BuilderParts {
  readonly buildHotpatch: (
    request: BuildRequest,
    progress: (step: string) => void,
  ) => Promise<BuiltHotpatch | BuildRefusal>;
  readonly isBuildRefusal: (value: unknown) => value is BuildRefusal;
}
