/** The symbols of a file: the static table, and the table that the dynamic linker sees. */
export { type DynamicSymbol, dynamicSymbols } from "./dynamic-symbol.ts";
export { type ElfSymbol, isDefined, parseSymbols, symbolTable } from "./symbol-table.ts";
