/**
 * The C library, as far as tracing needs it. The only importer of koffi; no policy here.
 *
 * Calls return what the system call returned, or the negated errno. Buffers are passed by
 * address: a Buffer of 64 bytes or more lives outside the JavaScript heap and never moves, so
 * its address is taken once and a call in the stop costs about 0.3 microseconds.
 */
import koffi from "koffi";

export const PTRACE = {
  PTRACE_CONT: 7,
  PTRACE_GETREGS: 12,
  PTRACE_SETREGS: 13,
  PTRACE_DETACH: 17,
  PTRACE_SYSCALL: 24,
  PTRACE_GETSIGINFO: 0x4202,
  PTRACE_GETREGSET: 0x4204,
  PTRACE_SETREGSET: 0x4205,
  PTRACE_SEIZE: 0x4206,
  PTRACE_INTERRUPT: 0x4207,
  PTRACE_LISTEN: 0x4208,
  PTRACE_PEEKSIGINFO: 0x4209,
  PTRACE_GETSIGMASK: 0x420a,
  PTRACE_SETSIGMASK: 0x420b,
  PTRACE_GET_RSEQ_CONFIGURATION: 0x420f,
} as const;

export const PTRACE_O_TRACESYSGOOD = 1;
export const PTRACE_O_SUSPEND_SECCOMP = 1 << 21;
export const PTRACE_PEEKSIGINFO_SHARED = 1;
export const PTRACE_EVENT_STOP = 128;

/** The register set of PTRACE_GETREGSET that XSAVE stores (elf.h). */
export const NT_X86_XSTATE = 0x202;

export const WNOHANG = 1;
export const WALL = 0x40000000;

export const ERRNO = {
  EPERM: 1,
  ESRCH: 3,
  EINTR: 4,
  EIO: 5,
  ECHILD: 10,
  EAGAIN: 11,
  EACCES: 13,
  EFAULT: 14,
  EINVAL: 22,
} as const;

/** A buffer with the address that system calls take. */
export interface Area {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly address: bigint;
}

export interface Libc {
  /** `data` is a number or the address of an Area. */
  readonly ptrace: (request: number, tid: number, address: number, data: number | bigint) => number;
  /** The thread id and, in `status`, its wait status; 0 with WNOHANG when nothing changed. */
  readonly waitpid: (tid: number, options: number) => number;
  /** The status that the last waitpid stored. */
  readonly waitStatus: () => number;
  /**
   * Stores a register set of a stopped thread at `into`. The size, or -errno; more than `size` bytes
   * are not stored.
   */
  readonly registerSet: (tid: number, set: number, into: bigint, size: number) => number;
  /** Gives a stopped thread the register set at `from`. 0 or -errno. */
  readonly setRegisterSet: (tid: number, set: number, from: bigint, size: number) => number;
  /** Reads `size` bytes at `remote` of the process into the area. The count read, or -errno. */
  readonly readProcess: (pid: number, remote: number, into: Area, size: number) => number;
  readonly pread: (fd: number, into: bigint, size: number, offset: number) => number;
  readonly pwrite: (fd: number, from: bigint, size: number, offset: number) => number;
  /** The link count of an open folder: for /proc/PID/task the number of threads plus two. */
  readonly linkCount: (fd: number) => number;
  readonly yieldProcessor: () => void;
  readonly sleepMicroseconds: (microseconds: number) => void;
  /**
   * From `milliseconds` on a blocking call of this thread returns EINTR, again and again until
   * the alarm is cancelled. For waits that need a deadline.
   */
  readonly setAlarm: (milliseconds: number) => void;
  readonly cancelAlarm: () => void;
  /**
   * No SIGCHLD for stops of traced threads (SA_NOCLDSTOP, sigaction(2)): its handler would run within
   * the stop. Ends of children are told as before. Node installs its handler with its first child.
   */
  readonly silenceStops: () => void;
  /** Takes an exclusive lock on an open file without waiting. 0 or -errno. */
  readonly lockFile: (fd: number) => number;
}

/** A buffer of `size` bytes (64 or more) outside the JavaScript heap. */
export function createArea(size: number): Area {
  const bytes = new Uint8Array(new ArrayBuffer(Math.max(64, (size + 7) & ~7)));
  return {
    bytes,
    words: new Uint32Array(bytes.buffer),
    address: koffi.address(bytes) as bigint,
  };
}

/** Who is at the other end of a Unix socket, as the kernel noted it at connect(2). */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const UCRED_SIZE = 12; // struct ucred of unix(7): pid, uid, gid, 32 bits each.

/**
 * A function that tells who connected to a Unix socket (SO_PEERCRED, unix(7)), by its descriptor.
 * It gives undefined where the kernel does not tell; nothing that the peer says is part of it.
 */
export function openPeerCredentials(): (fd: number) => PeerCredentials | undefined {
  const getsockopt = koffi
    .load("libc.so.6")
    .func("int getsockopt(int fd, int level, int name, uint64_t value, uint64_t size)");
  const credentials = createArea(64);
  const size = createArea(64);
  return (fd) => {
    size.words[0] = UCRED_SIZE;
    const failed = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials.address, size.address);
    if (failed !== 0 || size.words[0] !== UCRED_SIZE) return undefined;
    const [pid, uid, gid] = credentials.words;
    // A process id that another namespace has, and this one does not, is 0.
    return { pid: pid as number, uid: uid as number, gid: gid as number };
  };
}

const LOCK_EX_NB = 2 | 4;
const STAT_NLINK_WORD = 4; // st_nlink is the third 64-bit field of struct stat on x86-64.
const PAGE_SIZE = 4096;

/** Binds the C library that this program runs on. */
export function openLibc(): Libc {
  const library = koffi.load("libc.so.6");
  const ptrace = library.func(
    "long ptrace(long request, int tid, uint64_t address, uint64_t data)",
  );
  const waitpid = library.func("int waitpid(int tid, uint64_t status, int options)");
  const readv = library.func(
    "long process_vm_readv(int pid, uint64_t local, unsigned long locals, uint64_t remote, unsigned long remotes, unsigned long flags)",
  );
  const pread = library.func("long pread64(int fd, uint64_t into, size_t size, int64_t offset)");
  const pwrite = library.func("long pwrite64(int fd, uint64_t from, size_t size, int64_t offset)");
  const fstat = library.func("int fstat(int fd, uint64_t into)");
  const schedYield = library.func("int sched_yield()");
  const usleep = library.func("int usleep(uint32_t microseconds)");
  const flock = library.func("int flock(int fd, int operation)");

  const sigaction = library.func("int sigaction(int signal, uint64_t action, uint64_t old)");

  const action = createArea(SIGACTION_SIZE);
  const status = createArea(64);
  const stat = createArea(256);
  const local = createArea(64);
  const remote = createArea(64);
  const result = (value: number): number => (value === -1 ? -koffi.errno() : value);

  const alarm = openAlarm(library, sigaction);
  return {
    ptrace: (request, tid, address, data) => result(ptrace(request, tid, address, data)),
    waitpid: (tid, options) => result(waitpid(tid, status.address, options)),
    waitStatus: () => status.words[0] as number,
    registerSet: (tid, set, into, size) => {
      setIovec(local.words, 0, into, size);
      const failed = result(ptrace(PTRACE.PTRACE_GETREGSET, tid, set, local.address));
      return failed < 0 ? failed : (local.words[2] as number);
    },
    setRegisterSet: (tid, set, from, size) => {
      setIovec(local.words, 0, from, size);
      return result(ptrace(PTRACE.PTRACE_SETREGSET, tid, set, local.address));
    },
    readProcess: (pid, address, into, size) => {
      setIovec(local.words, 0, into.address, size);
      // Two ranges, split at a page: an unmapped page then costs only what lies behind it.
      const first = Math.min(size, PAGE_SIZE - (address % PAGE_SIZE));
      setIovec(remote.words, 0, address, first);
      setIovec(remote.words, 4, address + first, size - first);
      return result(readv(pid, local.address, 1, remote.address, size > first ? 2 : 1, 0));
    },
    pread: (fd, into, size, offset) => result(pread(fd, into, size, offset)),
    pwrite: (fd, from, size, offset) => result(pwrite(fd, from, size, offset)),
    linkCount: (fd) => {
      const value = result(fstat(fd, stat.address));
      return value < 0 ? value : (stat.words[STAT_NLINK_WORD] as number);
    },
    yieldProcessor: () => {
      schedYield();
    },
    sleepMicroseconds: (microseconds) => {
      usleep(microseconds);
    },
    silenceStops: () => {
      if (sigaction(SIGCHLD, 0, action.address) !== 0) return;
      action.words[SA_FLAGS_WORD] = (action.words[SA_FLAGS_WORD] as number) | SA_NOCLDSTOP;
      sigaction(SIGCHLD, action.address, 0);
    },
    setAlarm: alarm.set,
    cancelAlarm: alarm.cancel,
    lockFile: (fd) => result(flock(fd, LOCK_EX_NB)),
  };
}

/** struct sigaction of the C library: handler, mask, flags, restorer. */
const SIGACTION_SIZE = 152;
const SA_FLAGS_WORD = 34;
const SA_NOCLDSTOP = 1;
const SIGCHLD = 17;

/** A signal that Node does not use. */
const ALARM_SIGNAL = 45;
const CLOCK_MONOTONIC = 1;
const SIGEV_THREAD_ID = 4;
const SYS_gettid = 186;
const ALARM_INTERVAL_NS = 1_000_000;

/**
 * A timer whose signal interrupts this very thread (timer_create(2), SIGEV_THREAD_ID).
 *
 * The handler must be native code that does nothing: the C function abs takes an int and returns
 * one, as a handler does. It is installed without SA_RESTART, so system calls give EINTR. The timer
 * repeats, for its first signal may come just before the call that it should interrupt.
 */
function openAlarm(
  library: ReturnType<typeof koffi.load>,
  sigaction: (signal: number, action: bigint, old: number) => number,
): {
  set: (milliseconds: number) => void;
  cancel: () => void;
} {
  const dlsym = library.func("uint64_t dlsym(uint64_t handle, const char *name)");
  const timerCreate = library.func("int timer_create(int clock, uint64_t event, uint64_t id)");
  const timerSettime = library.func(
    "int timer_settime(uint64_t id, int flags, uint64_t value, uint64_t old)",
  );
  const syscall = library.func("long syscall(long number)");
  const value = createArea(64); // struct itimerspec: interval, value; seconds, nanoseconds each
  let timer: number | bigint | undefined;
  const create = (): number | bigint => {
    const action = createArea(SIGACTION_SIZE);
    const handler = Number(dlsym(0, "abs"));
    action.words[0] = handler >>> 0;
    action.words[1] = Math.floor(handler / 2 ** 32);
    sigaction(ALARM_SIGNAL, action.address, 0);
    const event = createArea(64); // struct sigevent: value, signo, notify, tid
    event.words[2] = ALARM_SIGNAL;
    event.words[3] = SIGEV_THREAD_ID;
    event.words[4] = Number(syscall(SYS_gettid));
    const id = createArea(64);
    if (timerCreate(CLOCK_MONOTONIC, event.address, id.address) !== 0) {
      throw new Error(`timer_create failed with errno ${koffi.errno()}`);
    }
    return (BigInt(id.words[1] as number) << 32n) | BigInt(id.words[0] as number);
  };
  const arm = (firstNs: number, intervalNs: number): void => {
    timer ??= create();
    value.words.fill(0);
    value.words[2] = intervalNs;
    value.words[4] = Math.floor(firstNs / 1e9);
    value.words[6] = firstNs % 1e9;
    timerSettime(timer, 0, value.address, 0);
  };
  return {
    set: (milliseconds) => arm(Math.max(1, Math.round(milliseconds * 1e6)), ALARM_INTERVAL_NS),
    cancel: () => arm(0, 0),
  };
}

/** Writes one struct iovec: base and length, 64 bits each. */
function setIovec(words: Uint32Array, at: number, base: number | bigint, size: number): void {
  const address = Number(base);
  words[at] = address >>> 0;
  words[at + 1] = Math.floor(address / 2 ** 32);
  words[at + 2] = size >>> 0;
  words[at + 3] = Math.floor(size / 2 ** 32);
}
