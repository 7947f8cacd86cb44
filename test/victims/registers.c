/*
 * One thread that holds a pattern in every register and looks whether they are still there.
 *
 *     registers MODE FILE        MODE: spin | wide | sleep | wait
 *
 * FILE is mapped shared and holds numbers of 64 bits: rounds done, calls that met the old code,
 * calls that met the new code, 1 to end, and the number of the register that was wrong.
 *
 * `spin` holds all general registers but rsp, all arithmetic flags and ymm0 to ymm15 while it
 * runs; `wide` holds zmm0 to zmm31 and k2 to k7. `sleep` holds all that a system call keeps while it
 * is in nanosleep, which the kernel continues from a record of its own; `wait` while it is in ppoll,
 * which is made again. No register is loaded again during the run, so a wrong value cannot go
 * unnoticed. A wrong one ends the program by an illegal instruction.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct shared {
  long rounds, old_calls, new_calls, end, wrong;
};
/* A page of its own, so that the file can be mapped over it: no register has to point to it. */
_Alignas(4096) struct shared shared;
static char rest_of_page[4096 - sizeof(struct shared)] __attribute__((used));

/* CF PF AF ZF SF IF DF OF and the bit that is always set. */
#define FLAGS "0xed7"

/* The function that a hotpatch replaces: it changes no register. */
__asm__(
    ".globl value; .type value, @function; .p2align 4\n"
    "value: incq shared+8(%rip)\n"
    "  ret\n"
    ".size value, . - value\n");

#define HOLD(number, name) "  movabs $0x5a" #number "c0ffee876543, %" name "\n"
#define SAME(number, name) \
  "  movq $" #number ", shared+32(%rip)\n" \
  "  cmpq want_" #number "(%rip), %" name "\n" \
  "  jne wrong_register\n"
#define WANT(number) "want_" #number ": .quad 0x5a" #number "c0ffee876543\n"

#define HOLD_VECTOR(number) \
  "  vmovdqu want_vector+32*" #number "(%rip), %ymm" #number "\n"
/* ZF: no bit of the register is outside of the pattern. CF: all of the pattern are in it. */
#define SAME_VECTOR(number) \
  "  movq $100+" #number ", shared+32(%rip)\n" \
  "  vptest not_wanted_vector+32*" #number "(%rip), %ymm" #number "\n" \
  "  jne wrong_register\n" \
  "  vptest want_vector+32*" #number "(%rip), %ymm" #number "\n" \
  "  jnc wrong_register\n"
#define VECTORS(each) \
  each(0) each(1) each(2) each(3) each(4) each(5) each(6) each(7) \
  each(8) each(9) each(10) each(11) each(12) each(13) each(14) each(15)

#define HOLD_WIDE(number) \
  "  vmovdqu64 want_wide+64*" #number "(%rip), %zmm" #number "\n"
#define SAME_WIDE(number) \
  "  movq $200+" #number ", shared+32(%rip)\n" \
  "  vpcmpneqq want_wide+64*" #number "(%rip), %zmm" #number ", %k1\n" \
  "  kortestw %k1, %k1\n" \
  "  jne wrong_register\n"
#define HIGH_VECTORS(each) \
  each(16) each(17) each(18) each(19) each(20) each(21) each(22) each(23) \
  each(24) each(25) each(26) each(27) each(28) each(29) each(30) each(31)
#define HOLD_MASK(number) "  kmovw want_mask+2*" #number "(%rip), %k" #number "\n"
#define SAME_MASK(number) \
  "  movq $300+" #number ", shared+32(%rip)\n" \
  "  kmovw %k" #number ", %eax\n" \
  "  cmpw want_mask+2*" #number "(%rip), %ax\n" \
  "  jne wrong_register\n"
#define MASKS(each) each(2) each(3) each(4) each(5) each(6) each(7)

#define ENTER \
  "  push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
#define LEAVE \
  "  cld; vzeroupper\n" \
  "  pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n  ret\n"
#define SAME_FLAGS \
  "  pushfq; popq flags(%rip)\n" \
  "  movq $99, shared+32(%rip)\n" \
  "  cmpq $" FLAGS ", flags(%rip)\n" \
  "  jne wrong_register\n"
#define ROUND_DONE \
  "  call value\n" \
  "  incq shared(%rip)\n" \
  "  cmpq $0, shared+24(%rip)\n"

__asm__(
    ".data\n.p2align 5\n"
    "flags: .quad 0\n"
    "nap: .quad 0, 300000\n"
    WANT(10) WANT(11) WANT(12) WANT(13) WANT(14) WANT(15) WANT(16) WANT(17)
    WANT(18) WANT(19) WANT(20) WANT(21) WANT(22) WANT(23) WANT(24)
    ".text\n");
extern unsigned char want_vector[16 * 32], not_wanted_vector[16 * 32];
_Alignas(32) unsigned char want_vector[16 * 32], not_wanted_vector[16 * 32];

extern unsigned char want_wide[32 * 64];
_Alignas(64) unsigned char want_wide[32 * 64];
extern unsigned short want_mask[8];
unsigned short want_mask[8] = {0, 0, 0x1235, 0xbeef, 0x8001, 0x5aa5, 0x0ff0, 0xfffe};

__asm__(
    ".globl wide\nwide:\n" ENTER VECTORS(HOLD_WIDE) HIGH_VECTORS(HOLD_WIDE) MASKS(HOLD_MASK)
    "1:\n"
    "  .rept 400; pause; .endr\n"
    VECTORS(SAME_WIDE) HIGH_VECTORS(SAME_WIDE) MASKS(SAME_MASK)
    ROUND_DONE
    "  je 1b\n" LEAVE);

__asm__(
    ".globl spin\nspin:\n" ENTER VECTORS(HOLD_VECTOR)
    HOLD(10, "rax") HOLD(11, "rbx") HOLD(12, "rcx") HOLD(13, "rdx") HOLD(14, "rsi")
    HOLD(15, "rdi") HOLD(16, "rbp") HOLD(17, "r8") HOLD(18, "r9") HOLD(19, "r10")
    HOLD(20, "r11") HOLD(21, "r12") HOLD(22, "r13") HOLD(23, "r14") HOLD(24, "r15")
    "1:\n"
    "  pushq $" FLAGS "; popfq\n"
    "  .rept 400; pause; .endr\n"
    SAME_FLAGS
    SAME(10, "rax") SAME(11, "rbx") SAME(12, "rcx") SAME(13, "rdx") SAME(14, "rsi")
    SAME(15, "rdi") SAME(16, "rbp") SAME(17, "r8") SAME(18, "r9") SAME(19, "r10")
    SAME(20, "r11") SAME(21, "r12") SAME(22, "r13") SAME(23, "r14") SAME(24, "r15")
    VECTORS(SAME_VECTOR)
    ROUND_DONE
    "  je 1b\n" LEAVE);

/* The call's number and arguments are in rax, rdi, rsi; rcx and r11 it overwrites itself. */
__asm__(
    ".globl nap_on\nnap_on:\n" ENTER VECTORS(HOLD_VECTOR)
    HOLD(11, "rbx") HOLD(13, "rdx") HOLD(16, "rbp") HOLD(17, "r8") HOLD(18, "r9")
    HOLD(19, "r10") HOLD(21, "r12") HOLD(22, "r13") HOLD(23, "r14") HOLD(24, "r15")
    "  lea nap(%rip), %rdi\n"
    "  xor %esi, %esi\n"
    "1:\n"
    "  mov $35, %eax\n"
    "  pushq $" FLAGS "; popfq\n"
    "  syscall\n"
    SAME_FLAGS
    "  movq $1, shared+32(%rip)\n"
    "  test %rax, %rax\n  jne wrong_register\n"
    "  movq $2, shared+32(%rip)\n"
    "  test %rsi, %rsi\n  jne wrong_register\n"
    "  movq $3, shared+32(%rip)\n"
    "  lea nap(%rip), %rcx\n  cmp %rcx, %rdi\n  jne wrong_register\n"
    SAME(11, "rbx") SAME(13, "rdx") SAME(16, "rbp") SAME(17, "r8") SAME(18, "r9")
    SAME(19, "r10") SAME(21, "r12") SAME(22, "r13") SAME(23, "r14") SAME(24, "r15")
    VECTORS(SAME_VECTOR)
    ROUND_DONE
    "  je 1b\n" LEAVE
    "wrong_register: ud2\n");

/* The kernel writes the remaining time into the time limit, so that is set anew for each call. */
__asm__(
    ".globl wait_on\nwait_on:\n" ENTER VECTORS(HOLD_VECTOR)
    HOLD(11, "rbx") HOLD(16, "rbp") HOLD(18, "r9")
    HOLD(21, "r12") HOLD(22, "r13") HOLD(23, "r14") HOLD(24, "r15")
    "  xor %edi, %edi; xor %esi, %esi; xor %r10d, %r10d\n"
    "  lea nap(%rip), %rdx\n"
    "  mov $8, %r8d\n"
    "1:\n"
    "  movq $0, nap(%rip); movq $300000, nap+8(%rip)\n"
    "  mov $271, %eax\n"
    "  pushq $" FLAGS "; popfq\n"
    "  syscall\n"
    SAME_FLAGS
    "  movq $1, shared+32(%rip)\n"
    "  test %rax, %rax\n  jne wrong_register\n"
    "  movq $2, shared+32(%rip)\n"
    "  mov %rdi, %rcx; or %rsi, %rcx; or %r10, %rcx\n  jne wrong_register\n"
    "  movq $3, shared+32(%rip)\n"
    "  lea nap(%rip), %rcx\n  cmp %rcx, %rdx\n  jne wrong_register\n"
    "  movq $4, shared+32(%rip)\n"
    "  cmp $8, %r8\n  jne wrong_register\n"
    SAME(11, "rbx") SAME(16, "rbp") SAME(18, "r9")
    SAME(21, "r12") SAME(22, "r13") SAME(23, "r14") SAME(24, "r15")
    VECTORS(SAME_VECTOR)
    ROUND_DONE
    "  je 1b\n" LEAVE);
void spin(void);
void wide(void);
void nap_on(void);
void wait_on(void);

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  int file = open(argv[2], O_RDWR);
  void *map = mmap(&shared, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0);
  if (map != &shared) return perror("registers"), 1;
  for (int i = 0; i < (int)sizeof want_vector; i++) {
    want_vector[i] = (unsigned char)(i * 37 + 11);
    not_wanted_vector[i] = (unsigned char)~want_vector[i];
  }
  for (int i = 0; i < (int)sizeof want_wide; i++) want_wide[i] = (unsigned char)(i * 53 + 7);
  printf("ready %d\n", getpid());
  fflush(stdout);
  if (strcmp(argv[1], "spin") == 0) spin();
  else if (strcmp(argv[1], "wide") == 0) wide();
  else if (strcmp(argv[1], "wait") == 0) wait_on();
  else nap_on();
  printf("done\n");
  return 0;
}
