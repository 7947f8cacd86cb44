/**
 * A file system root of its own for the programs that a build runs.
 *
 * Build dependencies are installed into it and not onto the machine. Each command gets a mount
 * namespace (mount_namespaces(7)) with
 *
 *     /                      overlay: layers below, read only; what is written goes to memory and
 *                            is gone when the command ends
 *     the bound folders      as outside, at the same paths, so that a path means the same in the
 *                            build's output and to whoever reads it afterwards
 *     /proc /dev             new ones, with the devices that every build may use
 *
 * and process, network, IPC and host name namespaces of its own. All of them end with the
 * command, and the command ends with this program (PR_SET_PDEATHSIG), however that ends: no mount
 * can be left behind, and nothing outside ever sees one. It keeps builds from changing the
 * machine by accident; it is no prison, for they run as root.
 */
import assert from "node:assert/strict";

/** Where the programs of a build run. */
export interface BuildRoot {
  /** The command line that runs `argv` inside, in the folder `cwd` as it is named inside. */
  readonly enter: (argv: readonly string[], options: { readonly cwd: string }) => readonly string[];
}

export interface BuildRootParts {
  /** Holds the layers and an empty folder `mnt`; absolute. */
  readonly folder: string;
  /** Names below `folder`, the uppermost first. */
  readonly layers: readonly string[];
  /**
   * What happens to files written outside the bound folders: `discard` them, or `keep` them in
   * the folder that is named, beside which there is an empty folder `work`. Where the kernel has
   * no overlays, `none`: the only layer is written to.
   */
  readonly changes: "discard" | "none" | { readonly keep: string };
  readonly binds: readonly Bind[];
}

/** A folder outside and the absolute path that it has inside. */
export interface Bind {
  readonly from: string;
  readonly to: string;
}

/** Entering needs root, `setpriv` and `unshare` (util-linux), and `chroot`. */
export function createBuildRoot({ folder, layers, changes, binds }: BuildRootParts): BuildRoot {
  assert(layers.length > 0, "a root has a layer");
  assert(changes !== "none" || layers.length === 1, "without overlays a root is one layer");
  const upper = typeof changes === "object" ? changes.keep : "";
  const pairs = binds.flatMap(({ from, to }) => [from, to]);
  const kind = changes === "none" ? "bind" : "overlay";
  const setUp = ["/bin/sh", "-c", setUpScript, "sh", folder, kind, layers.join(":"), upper];
  return {
    enter: (argv, { cwd }) => [
      ...["setpriv", "--pdeathsig", "KILL", "unshare"],
      ...["--mount", "--pid", "--ipc", "--uts", "--net", "--propagation", "private"],
      ...["--fork", "--kill-child", "--"],
      ...[...setUp, String(binds.length), ...pairs, cwd, ...argv],
    ],
  };
}

/**
 * The machine itself, for programs that mount: nobody else sees their mounts, which go when they
 * end. A program that is not there gives exit code 127.
 */
export const privateMounts: BuildRoot = {
  enter: (argv, { cwd }) => [
    ...["setpriv", "--pdeathsig", "KILL", "unshare"],
    ...["--mount", "--mount-proc", "--pid", "--propagation", "private"],
    ...["--fork", "--kill-child", "--", "/bin/sh", "-c"],
    ...['cd "$1" && shift && "$@"; exit $?', "sh", cwd, ...argv],
  ],
};

/**
 * Layers are named relative to the folder: `:` and `,` in absolute paths would end the options'
 * values. The last shell stays as process 1 and reaps what the build leaves behind.
 */
const setUpScript = `set -eu
folder=$1 kind=$2 layers=$3 upper=$4 binds=$5
shift 5
path=$PATH
PATH=/usr/sbin:/usr/bin:/sbin:/bin
cd "$folder"
mount -t tmpfs -o mode=755 suture mnt
mkdir mnt/upper mnt/work mnt/root
work=mnt/work
if [ -n "$upper" ]; then work=\${upper%/*}/work; else upper=mnt/upper; fi
if [ "$kind" = bind ]; then
  mount --bind "$layers" mnt/root
else
  mount -t overlay -o "lowerdir=$layers,upperdir=$upper,workdir=$work" suture mnt/root
fi
cd mnt/root
mount -t proc proc proc
mount -t tmpfs -o mode=755,nosuid suture dev
mkdir dev/pts dev/shm
chmod 1777 dev/shm
for node in null zero full random urandom tty; do
  : >dev/$node
  mount --bind /dev/$node dev/$node
done
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr
while [ "$binds" -gt 0 ]; do
  mkdir -p ".$2"
  mount --bind "$1" ".$2"
  shift 2
  binds=$((binds - 1))
done
ip link set lo up 2>/dev/null || true
hostname suture
chroot=$(command -v chroot)
PATH=$path
export PATH
"$chroot" . /bin/sh -c 'cd "$1" && shift && "$@"; exit $?' sh "$@"
`;
