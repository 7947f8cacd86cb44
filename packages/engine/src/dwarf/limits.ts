/** Bounds on what hostile unwind tables and expressions can make the readers do. */

/** Nested DW_CFA_remember_state: compilers nest once or twice. */
export const REMEMBERED_STATES_MAX = 64;

/** Operations executed for one expression: the PLT's has 8, and loops are legal. */
export const EXPRESSION_STEPS_MAX = 1000;

/** Values on the stack of an expression. */
export const EXPRESSION_STACK_MAX = 64;
