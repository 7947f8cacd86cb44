/** A relocatable object that is being put together: sections, symbols and shared literals. */
import assert from "node:assert/strict";
import { SHF, SHT, STB, STT, STV } from "../elf/constants.ts";
import type { ObjectRelocation, ObjectSymbol, RelocatableObject } from "../elf/write.ts";

export interface DraftSection {
  readonly name: string;
  readonly sh_type: number;
  readonly sh_flags: number;
  readonly sh_addralign: number;
  readonly bytes: Uint8Array;
  readonly size: number;
}

export interface ObjectDraft {
  /** Adds a section and its section symbol; gives the section's index. */
  readonly addSection: (section: DraftSection) => number;
  readonly sectionSymbol: (section: number) => number;
  readonly define: (symbol: ObjectSymbol) => number;
  /** The symbol of this name, defined or undefined, if there is one. */
  readonly symbolOf: (name: string) => number | undefined;
  readonly relocate: (section: number, relocation: ObjectRelocation) => void;
  /** Gives a string or constant its place; equal ones of one alignment share it. */
  readonly addLiteral: (
    bytes: Uint8Array,
    alignment: number,
  ) => { readonly symbol: number; readonly offset: number };
  readonly finish: () => RelocatableObject;
}

interface LiteralPool {
  readonly section: number;
  readonly chunks: Uint8Array[];
  readonly places: Map<string, number>;
  size: number;
}

export function createObjectDraft(): ObjectDraft {
  const sections: { header: DraftSection; symbol: number; relocations: ObjectRelocation[] }[] = [];
  const symbols: ObjectSymbol[] = [];
  const names = new Map<string, number>();
  const pools = new Map<number, LiteralPool>();

  const sectionAt = (index: number): (typeof sections)[number] => {
    const section = sections[index];
    assert(section !== undefined, "section indices belong to their draft");
    return section;
  };
  const addSection = (header: DraftSection): number => {
    const index = sections.length;
    const symbol = symbols.length;
    symbols.push({
      name: "",
      type: STT.STT_SECTION,
      binding: STB.STB_LOCAL,
      visibility: STV.STV_DEFAULT,
      section: index,
      value: 0,
      size: 0,
    });
    sections.push({ header, symbol, relocations: [] });
    return index;
  };
  const poolOf = (alignment: number): LiteralPool => {
    const known = pools.get(alignment);
    if (known !== undefined) return known;
    const section = addSection({
      name: `.rodata.literals.${alignment}`,
      sh_type: SHT.SHT_PROGBITS,
      sh_flags: SHF.SHF_ALLOC,
      sh_addralign: alignment,
      bytes: new Uint8Array(0),
      size: 0,
    });
    const pool: LiteralPool = { section, chunks: [], places: new Map(), size: 0 };
    pools.set(alignment, pool);
    return pool;
  };
  const poolBytes = (section: number): Uint8Array | undefined => {
    const pool = [...pools.values()].find((it) => it.section === section);
    return pool === undefined ? undefined : Buffer.concat(pool.chunks);
  };

  return {
    addSection,
    sectionSymbol: (section) => sectionAt(section).symbol,
    define: (symbol) => {
      assert(!names.has(symbol.name), `the name ${symbol.name} is defined once`);
      names.set(symbol.name, symbols.length);
      return symbols.push(symbol) - 1;
    },
    symbolOf: (name) => names.get(name),
    relocate: (section, relocation) => {
      sectionAt(section).relocations.push(relocation);
    },
    addLiteral: (bytes, alignment) => {
      const pool = poolOf(Math.max(1, alignment));
      const key = Buffer.from(bytes).toString("latin1");
      let offset = pool.places.get(key);
      if (offset === undefined) {
        const padding = -pool.size & (Math.max(1, alignment) - 1);
        offset = pool.size + padding;
        pool.chunks.push(new Uint8Array(padding), bytes);
        pool.size = offset + bytes.length;
        pool.places.set(key, offset);
      }
      return { symbol: sectionAt(pool.section).symbol, offset };
    },
    finish: () => ({
      sections: sections.map(({ header, relocations }, index) => ({
        ...header,
        bytes: poolBytes(index) ?? header.bytes,
        relocations,
      })),
      symbols,
    }),
  };
}
