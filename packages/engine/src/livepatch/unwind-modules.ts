import { fileAddr, loadBias, virtualAddr } from "../bytes/address.ts";
import { unwindTables } from "../dwarf/unwind-tables.ts";
import type { UnwindModule } from "../unwind/unwinder.ts";
import type { ReadMemory } from "./loaded-module.ts";
import type { ProcessImage } from "./locate.ts";
import type { PresentPatch } from "./target.ts";

/** What the unwinder needs of a process: its modules' tables and those of hotpatches in it. */
export function unwindModules(
  image: ProcessImage,
  patches: readonly PresentPatch[],
  read: ReadMemory,
): UnwindModule[] {
  const modules = image.modules.flatMap((module) => {
    const tables = unwindTables(module.elf);
    if (tables === undefined) return [];
    const code = module.mappings.filter((mapping) => mapping.executable);
    return code.map((mapping) => ({
      name: module.name,
      start: mapping.start,
      end: mapping.end,
      bias: module.bias,
      ...tables,
    }));
  });
  for (const { ledger } of patches) {
    const bytes = read(ledger.ehFrame.address, ledger.ehFrame.size);
    if (bytes === undefined || bytes.length === 0) continue;
    modules.push({
      name: ledger.id,
      start: ledger.text.address,
      end: virtualAddr(ledger.text.address + ledger.text.size),
      bias: loadBias(0),
      ehFrame: { bytes, address: fileAddr(ledger.ehFrame.address) },
    });
  }
  return modules;
}
