# Becomes the init of a machine of its own: systemd over a copy of this machine's file system that
# nobody keeps (overlayfs over a tmpfs), with its own processes, mounts and cgroups, and this
# machine's network. Runs as the first process of its namespaces.
#
#     unshare --pid --fork --mount --mount-proc sh systemd-machine.sh FOLDER CHECKOUT CGROUP
set -e
folder=$1 checkout=$2 cgroup=$3
mount --make-rprivate /
mount -t tmpfs tmpfs "$folder"
mkdir "$folder/upper" "$folder/work" "$folder/root"
root=$folder/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mkdir -p "$root/mnt" "$root/sys/fs/cgroup" "$root/opt/suture" "$root/run/systemd/system"
mount -t cgroup2 none "$root/mnt"
mkdir -p "$root/mnt/$cgroup"
echo $$ > "$root/mnt/$cgroup/cgroup.procs"
umount "$root/mnt"
mount --rbind "$checkout" "$root/opt/suture"
# Nothing that this machine would start is started: only what is asked for.
cat > "$root/run/systemd/system/machine.target" <<'UNIT'
[Unit]
Description=A machine for a test
Wants=systemd-journald.service
UNIT
cd "$root"
pivot_root . mnt
umount -l mnt
# From here on its own cgroup is the root of all.
container=suture exec unshare --cgroup sh -ec '
  mount -t cgroup2 none /sys/fs/cgroup
  exec /lib/systemd/systemd --system --unit=machine.target --log-target=journal'
