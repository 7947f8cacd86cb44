/** Names and numbers of the ELF specification (gABI, x86-64 psABI) and of the GNU extensions. */

export const EM_X86_64 = 62;

export const ET = { ET_NONE: 0, ET_REL: 1, ET_EXEC: 2, ET_DYN: 3, ET_CORE: 4 } as const;

export const PT = {
  PT_NULL: 0,
  PT_LOAD: 1,
  PT_DYNAMIC: 2,
  PT_INTERP: 3,
  PT_NOTE: 4,
  PT_PHDR: 6,
  PT_TLS: 7,
  PT_GNU_EH_FRAME: 0x6474_e550,
  PT_GNU_STACK: 0x6474_e551,
  PT_GNU_RELRO: 0x6474_e552,
  PT_GNU_PROPERTY: 0x6474_e553,
} as const;

export const PF = { PF_X: 1, PF_W: 2, PF_R: 4 } as const;

export const SHT = {
  SHT_NULL: 0,
  SHT_PROGBITS: 1,
  SHT_SYMTAB: 2,
  SHT_STRTAB: 3,
  SHT_RELA: 4,
  SHT_HASH: 5,
  SHT_DYNAMIC: 6,
  SHT_NOTE: 7,
  SHT_NOBITS: 8,
  SHT_REL: 9,
  SHT_DYNSYM: 11,
  SHT_INIT_ARRAY: 14,
  SHT_FINI_ARRAY: 15,
  SHT_PREINIT_ARRAY: 16,
  SHT_GROUP: 17,
  SHT_SYMTAB_SHNDX: 18,
  SHT_RELR: 19,
  SHT_GNU_HASH: 0x6fff_fff6,
  SHT_GNU_VERDEF: 0x6fff_fffd,
  SHT_GNU_VERNEED: 0x6fff_fffe,
  SHT_GNU_VERSYM: 0x6fff_ffff,
  SHT_X86_64_UNWIND: 0x7000_0001,
} as const;

export const SHF = {
  SHF_WRITE: 0x1,
  SHF_ALLOC: 0x2,
  SHF_EXECINSTR: 0x4,
  SHF_MERGE: 0x10,
  SHF_STRINGS: 0x20,
  SHF_INFO_LINK: 0x40,
  SHF_LINK_ORDER: 0x80,
  SHF_GROUP: 0x200,
  SHF_TLS: 0x400,
  SHF_COMPRESSED: 0x800,
  SHF_GNU_RETAIN: 0x20_0000,
  SHF_EXCLUDE: 0x8000_0000,
} as const;

export const SHN = {
  SHN_UNDEF: 0,
  SHN_LORESERVE: 0xff00,
  SHN_ABS: 0xfff1,
  SHN_COMMON: 0xfff2,
  SHN_XINDEX: 0xffff,
} as const;

export const STB = { STB_LOCAL: 0, STB_GLOBAL: 1, STB_WEAK: 2, STB_GNU_UNIQUE: 10 } as const;

export const STT = {
  STT_NOTYPE: 0,
  STT_OBJECT: 1,
  STT_FUNC: 2,
  STT_SECTION: 3,
  STT_FILE: 4,
  STT_COMMON: 5,
  STT_TLS: 6,
  STT_GNU_IFUNC: 10,
} as const;

export const STV = { STV_DEFAULT: 0, STV_INTERNAL: 1, STV_HIDDEN: 2, STV_PROTECTED: 3 } as const;

export const DT = {
  DT_NULL: 0,
  DT_NEEDED: 1,
  DT_PLTRELSZ: 2,
  DT_PLTGOT: 3,
  DT_HASH: 4,
  DT_STRTAB: 5,
  DT_SYMTAB: 6,
  DT_RELA: 7,
  DT_RELASZ: 8,
  DT_RELAENT: 9,
  DT_STRSZ: 10,
  DT_SYMENT: 11,
  DT_INIT: 12,
  DT_FINI: 13,
  DT_SONAME: 14,
  DT_RPATH: 15,
  DT_SYMBOLIC: 16,
  DT_REL: 17,
  DT_PLTREL: 20,
  DT_DEBUG: 21,
  DT_TEXTREL: 22,
  DT_JMPREL: 23,
  DT_BIND_NOW: 24,
  DT_RUNPATH: 29,
  DT_FLAGS: 30,
  DT_GNU_HASH: 0x6fff_fef5,
  DT_VERSYM: 0x6fff_fff0,
  DT_FLAGS_1: 0x6fff_fffb,
  DT_VERDEF: 0x6fff_fffc,
  DT_VERDEFNUM: 0x6fff_fffd,
  DT_VERNEED: 0x6fff_fffe,
  DT_VERNEEDNUM: 0x6fff_ffff,
} as const;

export const DF = { DF_SYMBOLIC: 2, DF_TEXTREL: 4, DF_BIND_NOW: 8, DF_STATIC_TLS: 16 } as const;

export const NT = { NT_GNU_BUILD_ID: 3, NT_GNU_PROPERTY_TYPE_0: 5 } as const;

export const ELFCOMPRESS = { ELFCOMPRESS_ZLIB: 1, ELFCOMPRESS_ZSTD: 2 } as const;

/** Sizes of the ELF64 records, in bytes. */
export const SIZE = { ehdr: 64, phdr: 56, shdr: 64, sym: 24, rela: 24, dyn: 16, chdr: 24 } as const;
