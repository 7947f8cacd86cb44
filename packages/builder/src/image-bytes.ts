/** Reading a linked file by address. */
import { addressBytes, type ElfFile, type FileAddr, fileAddr, PT } from "./engine.ts";

/** The module's bytes from an address on, at most `sizeMax`. */
export function bytesFrom(
  image: ElfFile,
  address: number,
  sizeMax: number,
): Uint8Array | undefined {
  for (const { p_type, p_vaddr, p_filesz } of image.segments) {
    if (p_type !== PT.PT_LOAD || address < p_vaddr || address >= p_vaddr + p_filesz) continue;
    const size = Math.min(sizeMax, p_vaddr + p_filesz - address);
    return addressBytes(image, fileAddr(address), size);
  }
  return undefined;
}

/** Whether an address lies in the stubs through which the module calls other modules. */
export function isInPlt(image: ElfFile, address: FileAddr | number): boolean {
  return image.sections.some(
    ({ name, sh_addr, sh_size }) =>
      /^\.i?plt/.test(name) && address >= sh_addr && address < sh_addr + sh_size,
  );
}
