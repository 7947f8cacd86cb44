/** Bounds on what hostile unwind tables and expressions can make the readers do. */

/** Nested DW_CFA_remember_state: compilers nest once or twice. */
export const REMEMBERED_STATES_MAX = 64;

/** Operations executed for one expression: the PLT's has 8, and loops are legal. */
export const EXPRESSION_STEPS_MAX = 1000;

/** Values on the stack of an expression. */
export const EXPRESSION_STACK_MAX = 64;

/** Attributes of one kind of debug entry: compilers write up to 25. */
export const ENTRY_ATTRIBUTES_MAX = 128;

/** Kinds of debug entries in all units of an object: sqlite's unit has 400. */
export const ABBREVIATIONS_MAX = 1_000_000;

/** Debug entries inside each other: generated code with much inlining reaches 100. */
export const ENTRY_DEPTH_MAX = 4096;

/** Bytes of names in one object's debug information, equal ones counted once. */
export const NAME_BYTES_MAX = 256 * 1024 * 1024;
