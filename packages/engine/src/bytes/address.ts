/**
 * Addresses that must never be mixed, as branded numbers.
 *
 * A JavaScript number holds every integer below 2^53, and x86-64 Linux gives user space
 * addresses below 2^47 (2^56 only on request, which no supported program makes), so numbers
 * are exact here and, unlike bigint, cost nothing in the stop. Readers refuse larger values.
 */

/** A position in a file, in bytes from its start. */
export type FileOffset = number & { readonly brand: "FileOffset" };

/** An address as the ELF file states it (sh_addr, st_value, r_offset), before loading. */
export type FileAddr = number & { readonly brand: "FileAddr" };

/** An address in a live process. */
export type VirtualAddr = number & { readonly brand: "VirtualAddr" };

/** What is added to a FileAddr to give the VirtualAddr of a loaded module. */
export type LoadBias = number & { readonly brand: "LoadBias" };

export const fileOffset = (value: number): FileOffset => value as FileOffset;
export const fileAddr = (value: number): FileAddr => value as FileAddr;
export const virtualAddr = (value: number): VirtualAddr => value as VirtualAddr;
export const loadBias = (value: number): LoadBias => value as LoadBias;

/** The place in the process of an address of the file. */
export const toVirtualAddr = (address: FileAddr, bias: LoadBias): VirtualAddr =>
  (address + bias) as VirtualAddr;

/** The address in the file of a place in the process. */
export const toFileAddr = (address: VirtualAddr, bias: LoadBias): FileAddr =>
  (address - bias) as FileAddr;

/** An address as people read it: `0x` and lower-case hexadecimal digits. */
export const formatAddress = (address: number): string => `0x${address.toString(16)}`;
