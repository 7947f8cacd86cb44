/** Every reason for which the diff refuses a translation unit, in one table. */
export const DIFF_REFUSALS = {
  "changed-data": "the initial value of an existing variable changes",
  "changed-data-size": "the size of an existing variable changes, or its alignment grows",
  "type-layout": "the layout of a type changes that data of the running program may have",
  "enumerator-value": "a number that the running program may have stored means something else",
  "changed-signature": "callers that stay pass other arguments than the new code takes",
  "tls-variable": "a thread-local variable is new or changes",
  "function-never-returns": "a changed function is always on a stack",
  "vanished-function": "a function or variable is gone that the unit still refers to",
  "register-use": "a caller that cannot be replaced relies on registers that the new code uses",
  "unclear-variable": "a static variable of a function cannot be told from its namesakes",
  constructor: "the functions that run at start or exit of the program change",
  assembly: "code outside of function sections changes",
  "no-debug-information": "the object does not tell its types",
  lto: "the object holds intermediate code for link-time optimisation",
  "symbol-kind": "a name stands for another kind of thing after, or for another unit's",
  callback: "a callback is not a new function of the fix",
  "shared-body": "one body serves several functions that differ after",
} as const;
export type DiffRefusalCode = keyof typeof DIFF_REFUSALS;

export interface DiffRefusal {
  readonly code: DiffRefusalCode;
  /** The function, variable or section that stands in the way. */
  readonly name: string;
  readonly detail: string;
}
