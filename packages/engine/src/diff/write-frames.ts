/** Writes the unwind information of the functions in a hotpatch. */
import { SHF, SHT } from "../elf/constants.ts";
import { CIE_POINTER, type FrameRecord, PC_BEGIN } from "./frames.ts";
import type { ObjectDraft } from "./object-draft.ts";

export interface FrameRequest {
  readonly cie: FrameRecord;
  readonly fde: FrameRecord;
  /** The draft's section symbol of the function's code. */
  readonly beginSymbol: number;
  /** The draft's symbol and addend for another relocation (personality, exception table). */
  readonly translate: (
    symbolIndex: number,
    r_addend: number,
  ) => { readonly symbol: number; readonly r_addend: number };
}

/**
 * Adds one .eh_frame section: each CIE once, directly before its first FDE, and the FDEs with
 * their CIE pointers set anew. Adds nothing when no function has unwind information.
 */
export function writeFrames(draft: ObjectDraft, requests: readonly FrameRequest[]): void {
  if (requests.length === 0) return;
  const chunks: Uint8Array[] = [];
  const relocations: { r_offset: number; type: number; symbol: number; r_addend: number }[] = [];
  const cies = new Map<string, number>();
  let size = 0;
  const append = ({ bytes, relocations: list }: FrameRecord, request: FrameRequest): number => {
    const at = size;
    for (const { r_offset, type, symbolIndex, r_addend } of list) {
      const isBegin = bytes !== request.cie.bytes && r_offset === PC_BEGIN;
      const place = isBegin
        ? { symbol: request.beginSymbol, r_addend: 0 }
        : request.translate(symbolIndex, r_addend);
      relocations.push({ r_offset: at + r_offset, type, ...place });
    }
    chunks.push(Uint8Array.from(bytes));
    size += bytes.length;
    return at;
  };
  for (const request of requests) {
    const { cie, fde } = request;
    const personality = cie.relocations.map((it) => request.translate(it.symbolIndex, it.r_addend));
    const key = `${Buffer.from(cie.bytes).toString("hex")} ${JSON.stringify(personality)}`;
    const cieAt = cies.get(key) ?? append(cie, request);
    cies.set(key, cieAt);
    const at = append(fde, request);
    const bytes = chunks.at(-1);
    if (bytes !== undefined) {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      view.setUint32(CIE_POINTER, at + CIE_POINTER - cieAt, true);
    }
  }
  const section = draft.addSection({
    name: ".eh_frame",
    sh_type: SHT.SHT_PROGBITS,
    sh_flags: SHF.SHF_ALLOC,
    sh_addralign: 8,
    bytes: Buffer.concat(chunks),
    size,
  });
  for (const relocation of relocations) draft.relocate(section, relocation);
}
