/** Held to what the assembler makes of the same text, and to what readelf reads of the table. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import {
  CALLBACK_RUNNER,
  RUNNER_PARKED,
  RUNNER_RESTORE,
  RUNNER_UNWIND_SIZE,
  runnerUnwindTable,
  SAVE_AREA,
} from "./callback-runner.ts";

const folder = mkdtempSync(join(tmpdir(), "suture-runner-"));
afterAll(() => rmSync(folder, { recursive: true }));

const POPPED = "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi".split(" ");

const ASSEMBLY = `
  fninit
  ldmxcsr ${SAVE_AREA.mxcsr}+0x100000(%r15)
  call *%rbx
  mov %eax, 4(%r14)
  movl $2, (%r14)
restore:
  mov $2, %edi
  lea ${SAVE_AREA.mask}+0x100000(%r15), %rsi
  xor %edx, %edx
  mov $8, %r10d
  mov $14, %eax
  syscall
parked:
  mov ${SAVE_AREA.features}+0x100000(%r15), %eax
  mov ${SAVE_AREA.features}+4+0x100000(%r15), %edx
  xrstor64 ${SAVE_AREA.state}+0x100000(%r15)
  mov %r15, %rsp
  ${POPPED.map((name) => `pop %${name}`).join("\n")}
  add $8, %rsp
  iretq
  .globl restore, parked
`;

test("the code is what the assembler makes, with its labels", () => {
  const [source, object, flat] = ["a.s", "a.o", "a.bin"].map((name) => join(folder, name));
  writeFileSync(source as string, ASSEMBLY);
  execFileSync("as", [source as string, "-o", object as string]);
  execFileSync("objcopy", ["-O", "binary", "-j", ".text", object as string, flat as string]);
  const made = Uint8Array.from(readFileSync(flat as string));
  // Large displacements, so that all have 32 bits; the added bit is taken off again.
  for (let at = 0; at + 4 <= made.length; at++) {
    if (made[at + 2] === 0x10 && made[at + 3] === 0) made[at + 2] = 0;
  }
  expect(Buffer.from(CALLBACK_RUNNER).toString("hex")).toBe(Buffer.from(made).toString("hex"));
  const symbols = execFileSync("nm", [object as string], { encoding: "utf8" });
  const addressOf = (name: string): number =>
    Number.parseInt(new RegExp(`^(\\w+) . ${name}$`, "m").exec(symbols)?.[1] ?? "", 16);
  expect([RUNNER_RESTORE, RUNNER_PARKED]).toEqual([addressOf("restore"), addressOf("parked")]);
});

test("the unwind table says where each register is", () => {
  const table = runnerUnwindTable({ table: 0x1000, runner: 0x800 });
  expect(table.length).toBe(RUNNER_UNWIND_SIZE);
  const [object, frames, empty] = ["b.o", "b.eh", "b.s"].map((name) => join(folder, name));
  writeFileSync(frames as string, table);
  writeFileSync(empty as string, "");
  execFileSync("as", [empty as string, "-o", object as string]);
  const section = `.eh_frame=${frames}`;
  const flags = ".eh_frame=alloc,readonly,contents";
  execFileSync("objcopy", [
    ...["--add-section", section, "--set-section-flags", flags],
    object as string,
  ]);
  const text = execFileSync("readelf", ["--debug-dump=frames", object as string], {
    encoding: "utf8",
  });
  expect(text).toContain('Augmentation:          "zRS"');
  expect(text).toContain("DW_CFA_def_cfa_expression (DW_OP_breg15 (r15): 152; DW_OP_deref)");
  // The fields of struct user_regs_struct: their places in sys/user.h.
  for (const [index, name] of POPPED.entries()) {
    expect(text).toMatch(
      new RegExp(
        `DW_CFA_expression: r\\d+ \\(${name}\\) \\(DW_OP_breg15 \\(r15\\): ${index * 8}\\)`,
      ),
    );
  }
  expect(text).toMatch(/DW_CFA_expression: r16 \(rip\) \(DW_OP_breg15 \(r15\): 128\)/);
});
