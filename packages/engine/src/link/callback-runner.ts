/**
 * The code that calls a callback in a thread that was stopped somewhere else, and brings it back.
 *
 * A thread that stands still anywhere is sent here (livepatch/callback-run.ts). Everything that it had
 * lies in the save area, which r15 points to; below it is the stack that the callback runs on. Behind
 * the call the thread itself puts all back and goes on where it was. So the tool need not be alive
 * for that. Where it is, it stops the thread at the system call that restores the signal mask, which
 * is where the thread waits while entries are switched:
 *
 *       fninit                           floating point as at the start of a program
 *       ldmxcsr MXCSR(%r15)
 *       call *%rbx                       the callback
 *       mov %eax, 4(%r14)                its answer ...
 *       movl $2, (%r14)                  ... and that it has one
 *     restore:
 *       mov $14, %eax ... syscall        rt_sigprocmask(SIG_SETMASK, MASK(%r15), NULL, 8)
 *     parked:
 *       mov FEATURES(%r15), %eax:%edx
 *       xrstor64 STATE(%r15)
 *       mov %r15, %rsp
 *       pop %r15 ... pop %rdi            fifteen registers
 *       add $8, %rsp
 *       iretq                            rip, cs, rflags, rsp and ss at once
 *
 * rt_sigreturn(2) would do all of it in one call, but makes the kernel forget how long an interrupted
 * nanosleep(2) or poll(2) still has to wait (signal-frames.ts). The registers stand in the save area
 * in the order of struct user_regs_struct, which ends as iretq wants it (Intel SDM volume 2).
 */

/** Offsets in the save area, whose address is a multiple of 64. */
export const SAVE_AREA = {
  /** r15 to ss: the first 21 fields of struct user_regs_struct. */
  registers: 0,
  mask: 192,
  /** The state components to restore: two words. */
  features: 200,
  mxcsr: 208,
  /** As XSAVE stores it, not compacted. */
  state: 256,
  /** For each callback its progress and its answer, 32 bits each. */
  records: 13312,
  size: 16384,
} as const;

const code = (text: string): Uint8Array =>
  Uint8Array.from(text.split(/\s+/).map((byte) => Number.parseInt(byte, 16)));

/** Position-independent. */
export const CALLBACK_RUNNER = code(
  `db e3 41 0f ae 97 d0 00 00 00 ff d3 41 89 46 04 41 c7 06 02 00 00 00
   bf 02 00 00 00 49 8d b7 c0 00 00 00 31 d2 41 ba 08 00 00 00 b8 0e 00 00 00 0f 05
   41 8b 87 c8 00 00 00 41 8b 97 cc 00 00 00 49 0f ae af 00 01 00 00 4c 89 fc
   41 5f 41 5e 41 5d 41 5c 5d 5b 41 5b 41 5a 41 59 41 58 58 59 5a 5e 5f 48 83 c4 08 48 cf`,
);

/** Offsets in the code. */
export const RUNNER_RESTORE = 23;
export const RUNNER_PARKED = 50;
/** From here on r15 is no longer the save area's address. */
const RUNNER_POPS = 75;

/** DWARF numbers of the registers, and their places in the save area. */
const SAVED: readonly (readonly [register: number, offset: number])[] = [
  ...[15, 14, 13, 12, 6, 3, 11, 10, 9, 8, 0, 2, 1, 4, 5].map(
    (register, index) => [register, index * 8] as const,
  ),
  [16, 16 * 8],
];
const SAVED_RSP = 19 * 8;
const DW_CFA_DEF_CFA_EXPRESSION = 0x0f;
const DW_CFA_EXPRESSION = 0x10;
const DW_OP_BREG15 = 0x7f;
const DW_OP_DEREF = 0x06;

/** The size of what `runnerUnwindTable` gives. */
export const RUNNER_UNWIND_SIZE = 160;

/**
 * A CIE and an FDE that lead from the runner to where the thread was, as the frame of a signal
 * handler does (DWARF 5 sections 6.4 and 2.5; LSB 5.0 section 10.6 for `zRS` and encoding 0x1b).
 */
export function runnerUnwindTable(address: { table: number; runner: number }): Uint8Array {
  const program = [
    ...[DW_CFA_DEF_CFA_EXPRESSION, 4, DW_OP_BREG15, ...signed(SAVED_RSP), DW_OP_DEREF],
    ...SAVED.flatMap(([register, offset]) => {
      const place = [DW_OP_BREG15, ...signed(offset)];
      return [DW_CFA_EXPRESSION, register, place.length, ...place];
    }),
  ];
  const bytes = new Uint8Array(RUNNER_UNWIND_SIZE);
  const view = new DataView(bytes.buffer);
  // CIE: version 1, "zRS", code alignment 1, data alignment -8, return address in column 16.
  const cie = [1, 0x7a, 0x52, 0x53, 0, 1, 0x78, 16, 1, 0x1b];
  view.setUint32(0, 20, true);
  bytes.set(cie, 8);
  view.setUint32(24, RUNNER_UNWIND_SIZE - 28, true);
  view.setUint32(28, 28, true);
  view.setInt32(32, address.runner - (address.table + 32), true);
  view.setUint32(36, RUNNER_POPS, true);
  bytes.set(program, 41); // Behind the size of no augmentation data; DW_CFA_nop is zero.
  return bytes;
}

/** Two bytes of SLEB128 for 0 to 8191. */
const signed = (value: number): number[] => [(value & 0x7f) | 0x80, value >> 7];
