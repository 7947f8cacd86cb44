/**
 * Functions that run only while the program starts: replacing them changes nothing any more.
 *
 * Such a fix is not refused, for it does no harm, but whoever applies it must know that the
 * running process keeps what the old code did. Three signs tell, each of them sure:
 *
 * - gcc puts main and constructors into .text.startup;
 * - an entry of .init_array, .preinit_array or .ctors is called by the dynamic linker before main;
 * - the function is static, nobody takes its address, and it is called from such functions, or
 *   from main before main does anything that can last:
 *
 *     int main(int argc, char **argv)
 *     {
 *         while ((c = getopt(argc, argv, "v")) != -1) option(c);    option: only at start
 *         set_limits();                                             only at start
 *         serve();                                                  can last (calls accept)
 *         report();                                                 not known: it is still to come
 *     }
 *
 * "Before" is every instruction of main from which the call can be reached. What can last is a
 * call: to another unit, to a library function that is not on a short list, or to a function of
 * the unit that makes such a call. Loops count by the calls in them; one without calls that wait
 * is no main loop. The function itself must be brief too, or it may be the one that runs.
 *
 * The obvious rule, everything that only main calls, would be wrong for the main loop itself and
 * for what main does at the end.
 */
import type { CallGraph, FunctionCode } from "./call-graph.ts";
import { type Entity, entityOf, type ObjectModel } from "./object-model.ts";
import { addressTaken } from "./source-functions.ts";

/** Library functions that return at once, as programs call them while they start. */
const BRIEF =
  /^_*(mem|str|wcs|str?n?case|is|to)[a-z0-9]*(_chk)?$|^_*(v?f?printf|v?sn?printf|puts|fputs|putchar|perror|fflush|setv?buf)(_chk)?$|^(malloc|calloc|realloc|free|atoi|atol|getenv|setenv|unsetenv|putenv|secure_getenv|signal|sigaction|sig(empty|fill|add|del)set|setlocale|bindtextdomain|textdomain|gettext|dcgettext|getopt|getopt_long|getopt_long_only|getpid|getppid|get(e?[ug])id|umask|time|tzset|gettimeofday|clock_gettime|srand|srandom|rand|random|atexit|exit|_exit|abort|sysconf|getpagesize|[gs]etrlimit|openlog|__errno_location|__ctype_b_loc|__ctype_tolower_loc|__ctype_toupper_loc|__stack_chk_fail|__isoc99_sscanf|__sigsetjmp|qsort)$/;

/** Says of the functions of an object whether they run only at start. */
export function findStartOnly(model: ObjectModel, graph: CallGraph): (entity: Entity) => boolean {
  const functions = model.entities.filter(
    ({ kind, section }) => kind === "function" && section !== undefined,
  );
  const found = new Set(initialisers(model));
  for (const { index, section } of functions) {
    if (section?.name.startsWith(".text.startup") === true) found.add(index);
  }
  const main = model.byName.get("main")?.index;
  const taken = addressTaken(model);
  const lasting = findLasting(model, graph, functions);
  const isEarlyIn = (caller: number, callee: number): boolean => {
    if (caller !== main) return found.has(caller);
    return callsBeforeLasting({ model, graph, lasting, main: caller }, callee);
  };
  // A function counts when all its callers do, so callees follow their callers.
  for (let grew = true; grew; ) {
    grew = false;
    for (const { index, global } of functions) {
      if (found.has(index) || global || taken.has(index) || lasting.has(index)) continue;
      const callers = graph.callersOf(index);
      if (callers.length === 0 || !callers.every((caller) => isEarlyIn(caller, index))) continue;
      found.add(index);
      grew = true;
    }
  }
  return ({ index }) => found.has(index);
}

/** Functions that only the tables of initialisers refer to. */
function initialisers(model: ObjectModel): readonly number[] {
  const inTables = new Set<number>();
  const elsewhere = new Set<number>();
  for (const { section, references } of model.entities) {
    const isTable = /^\.(preinit_array|init_array|ctors)\b/.test(section?.name ?? "");
    for (const { target } of references) (isTable ? inTables : elsewhere).add(target);
  }
  return [...inTables].filter((index) => {
    const { kind, global } = entityOf(model, index);
    return kind === "function" && !global && !elsewhere.has(index);
  });
}

/** Functions that make a call, themselves or below, which may wait for something. */
function findLasting(
  model: ObjectModel,
  graph: CallGraph,
  functions: readonly Entity[],
): ReadonlySet<number> {
  const lasting = new Set<number>();
  const work = functions
    .map(({ index }) => index)
    .filter((index) => {
      const code = graph.codeOf(index);
      return code.calls.some((call) => call.callee === undefined && !isBrief(model, code, call));
    });
  for (let index = work.pop(); index !== undefined; index = work.pop()) {
    if (lasting.has(index)) continue;
    lasting.add(index);
    work.push(...graph.callersOf(index));
  }
  return lasting;
}

/** Whether a call goes to a library function that returns at once. */
function isBrief(
  model: ObjectModel,
  { entity, instructions }: FunctionCode,
  call: { readonly instruction: number },
): boolean {
  const instruction = instructions[call.instruction];
  const reference = entity.references.find(
    ({ offset }) =>
      instruction !== undefined && offset >= instruction.offset && offset < instruction.end,
  );
  return reference !== undefined && BRIEF.test(entityOf(model, reference.target).name);
}

/** Whether everything from which main comes to a call of `callee` is brief. */
function callsBeforeLasting(
  at: {
    readonly model: ObjectModel;
    readonly graph: CallGraph;
    readonly lasting: ReadonlySet<number>;
    readonly main: number;
  },
  callee: number,
): boolean {
  const code = at.graph.codeOf(at.main);
  const sites = code.calls.filter((call) => call.callee === callee);
  const earlier = instructionsBefore(
    code,
    sites.map(({ instruction }) => instruction),
  );
  return code.calls
    .filter(({ instruction }) => earlier.has(instruction))
    .every((call) =>
      call.callee === undefined
        ? isBrief(at.model, code, call)
        : call.callee === callee || !at.lasting.has(call.callee),
    );
}

/** The instructions from which one of the others can be reached, and these themselves. */
function instructionsBefore(
  { instructions }: FunctionCode,
  from: readonly number[],
): ReadonlySet<number> {
  const indexOf = new Map(instructions.map(({ offset }, index) => [offset, index]));
  const before = new Map<number, number[]>();
  const link = (earlier: number, later: number | undefined): void => {
    if (later !== undefined) before.set(later, [...(before.get(later) ?? []), earlier]);
  };
  for (const [index, { flow, target }] of instructions.entries()) {
    // Where an indirect jump goes is not known here, so it may go anywhere.
    if (flow === "indirect") return new Set(instructions.keys());
    if (flow === "next" || flow === "conditional" || flow === "call") link(index, index + 1);
    if (flow !== "call" && target !== undefined) link(index, indexOf.get(target));
  }
  const reached = new Set(from);
  for (const index of reached) for (const earlier of before.get(index) ?? []) reached.add(earlier);
  return reached;
}
