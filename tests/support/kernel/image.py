"""The files that the kernel tests boot: a Debian 12 disk, its kernel, and a machine saved just after its start.

``python -m tests.support.kernel.image build`` does it (1-3 minutes, once for each recipe), ``... prepare`` installs the
packages it needs first. The result is kept in a folder below ``$XDG_CACHE_HOME/usbrh-tests/kernel`` (default
``~/.cache/usbrh-tests/kernel``) whose name is a hash of the recipe: RECIPE, agent.py, the machine, QEMU's version.

The guest has no package of ours in it: the tests bring that along, see vm.py. It is emulated in software, so no
/dev/kvm is needed, and it works the same on every machine.
"""

import fcntl
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.support.kernel.vm import SNAPSHOT, Machine, command

SUITE = "bookworm"

# On the machine that runs the tests, by the names of Debian and Ubuntu. The last two are for the C programs.
HOST_PACKAGES = ["qemu-system-x86", "qemu-utils", "mmdebstrap", "genext2fs", "e2fsprogs", "uidmap", "gcc", "libc6-dev"]
HOST_PACKAGES += ["libusb-1.0-0-dev"]
HOST_COMMANDS = ["qemu-system-x86_64", "qemu-img", "mmdebstrap", "genext2fs", "resize2fs", "gcc"]
LIBUSB_HEADER = Path("/usr/include/libusb-1.0/libusb.h")

GUEST_PACKAGES = [
    # The stock flavour: the cloud one has no vhci_hcd, which makes USB devices out of a TCP connection.
    "linux-image-amd64",
    *["systemd-sysv", "udev", "kmod", "dbus", "iproute2", "procps", "initramfs-tools"],
    *["python3", "libusb-1.0-0", "usbip", "usbutils"],
]

# Drivers without a device in the guest. Without them the kernel is unpacked in a third of the time.
UNUSED_MODULES = ["drivers/gpu", "drivers/media", "drivers/net/ethernet", "drivers/net/wireless", "drivers/infiniband"]
UNUSED_MODULES += ["drivers/scsi", "drivers/iio", "drivers/staging", "drivers/isdn", "drivers/md", "drivers/mtd"]
UNUSED_MODULES += ["drivers/ata", "drivers/platform", "drivers/hwmon", "drivers/firewire", "drivers/edac", "sound"]
UNUSED_MODULES += ["net/bluetooth", "net/mac80211", "net/wireless", "net/sctp", "net/batman-adv"]
UNUSED_MODULES += ["fs/btrfs", "fs/xfs", "fs/ocfs2", "fs/nfs", "fs/nfsd", "fs/cifs", "fs/f2fs", "fs/gfs2", "fs/ceph"]

GUEST_FILES = {
    "etc/hostname": "guest\n",
    "etc/hosts": "127.0.0.1 localhost guest\n",
    "etc/fstab": "/dev/vda / ext4 noatime 0 0\n",
    "etc/initramfs-tools/conf.d/usbrh": "MODULES=list\nCOMPRESS=gzip\n",
    "etc/initramfs-tools/modules": "virtio_pci\nvirtio_blk\next4\n",
    # QEMU's user network: 10.0.2.2 is the host's loopback. No default route: nothing beyond it can be reached.
    "etc/systemd/network/host.network": "[Match]\nDriver=virtio_net\n[Network]\nAddress=10.0.2.15/24\n"
    "LinkLocalAddressing=no\nIPv6AcceptRA=no\n",
    "etc/systemd/journald.conf.d/usbrh.conf": "[Journal]\nStorage=volatile\nRateLimitBurst=0\nCompress=no\n",
    "etc/systemd/system/usbrh-agent.service": "[Unit]\nDescription=Carries out the tests' commands\n"
    "Requires=dev-virtio\\x2dports-usbrh.device\nAfter=dev-virtio\\x2dports-usbrh.device\n[Service]\n"
    "ExecStart=/usr/bin/python3 /usr/local/lib/usbrh-agent.py\n[Install]\nWantedBy=multi-user.target\n",
}
GUEST_COMMANDS = [
    "systemctl enable usbrh-agent systemd-networkd",
    "systemctl mask getty.target serial-getty@ttyS0 apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer"
    " e2scrub_all.timer e2scrub_reap fstrim.timer systemd-timesyncd systemd-networkd-wait-online"
    " systemd-tmpfiles-clean.timer",
    "useradd --create-home alice",
    "useradd --create-home mallory",
]
# Loaded before the state is saved: the modules of a machine with a sensor, of the channel and of the shares.
GUEST_MODULES = ["vhci_hcd", "usbhid", "hid_generic", "9p", "9pnet_virtio"]

RECIPE = [SUITE, GUEST_PACKAGES, UNUSED_MODULES, GUEST_FILES, GUEST_COMMANDS, GUEST_MODULES, "steps 2"]
"""The contents of the image. Increase the number of the steps when the functions below change the image."""

KEEP = 7 * 24 * 3600
"""s for which the image of another recipe is kept, because another checkout may still use it."""


def cache() -> Path:
    """Return the folder of this recipe's image."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "usbrh-tests" / "kernel"
    recipe = hashlib.sha256()
    recipe.update(repr([RECIPE, command(Path("disk"), Path("run"))]).encode())
    recipe.update(Path(__file__).with_name("agent.py").read_bytes())
    recipe.update(subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, check=True).stdout)
    return base / f"image-{recipe.hexdigest()[:16]}"


def missing_commands() -> list[str]:
    """Return the commands and files of HOST_PACKAGES that are missing on this machine."""
    missing = [name for name in HOST_COMMANDS if not shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")]
    return missing if LIBUSB_HEADER.exists() else [*missing, LIBUSB_HEADER.name]


def say(text: str) -> None:
    """Print one line of progress."""
    print(f"kernel tests: {text}", file=sys.stderr, flush=True)


def sources(suite: str = SUITE) -> list[str]:
    """Return the apt sources of ``suite``: those of this machine's Debian, otherwise the default of mmdebstrap."""
    wanted = "$(SITE) $(ORIGIN) $(RELEASE)"
    try:
        asked = ["apt-get", "indextargets", "--format", wanted, "Identifier: Packages"]
        listed = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return []
    lines = []
    for site, origin, release in sorted({tuple(line.split()) for line in listed.splitlines() if line.count(" ") == 2}):
        kind = release.partition("-")[2]
        if origin == "Debian" and kind in {"", "updates", "security"}:
            lines.append(f"deb {site} {suite}{'-' + kind if kind else ''} main")
    return lines


def proxy_options() -> list[str]:
    """Return the options of mmdebstrap for the proxies of this machine's apt."""
    options = []
    for option in ("Acquire::http::Proxy", "Acquire::https::Proxy"):
        value = subprocess.run(["apt-config", "shell", "V", option], capture_output=True, text=True, check=True).stdout
        if value:
            options.append(f"--aptopt={option} {value.partition('=')[2].strip()}".replace("'", '"'))
    return options


def install_packages() -> None:
    """Install the packages with apt-get, as root, unless the commands exist."""
    if not missing_commands():
        return
    apt_get = ["apt-get", "-y", "-qq", "-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0"]
    install = [*apt_get, "install", "--no-install-recommends", *HOST_PACKAGES]
    if os.geteuid():
        raise SystemExit(f"these packages are missing; sudo apt install {' '.join(HOST_PACKAGES)}")
    say(f"installing with apt-get: {' '.join(HOST_PACKAGES)}")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for step in ([*apt_get, "update"], install):
        done = subprocess.run(step, check=False, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        if done.returncode:
            raise SystemExit(f"{' '.join(step)} failed")


def make_disk(folder: Path, suite: str = SUITE, more: Sequence[str] = ()) -> Path:
    """Install Debian with ``GUEST_PACKAGES`` and ``more`` into the disk ``folder/root.qcow2``, and return its path.

    Its kernel and initial RAM disk are in ``folder/boot``.
    """
    files = folder / "files"
    for name, text in GUEST_FILES.items():
        path = files / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    agent = files / "usr/local/lib/usbrh-agent.py"
    agent.parent.mkdir(parents=True)
    shutil.copyfile(Path(__file__).with_name("agent.py"), agent)
    before = f"sync-in {shlex.quote(str(files))} /"
    build = ["mmdebstrap", "--variant=essential", f"--include={','.join([*GUEST_PACKAGES, *more])}", "--format=ext2"]
    build += [f"--essential-hook={before}", "--dpkgopt=path-exclude=/usr/share/doc/*"]
    # The kernel's package of Debian 13 has /usr in its paths.
    for modules in ("/lib/modules", "/usr/lib/modules"):
        build += [f"--dpkgopt=path-exclude={modules}/*/kernel/{name}/*" for name in UNUSED_MODULES]
    build += [f'--customize-hook=chroot "$1" {line}' for line in GUEST_COMMANDS]
    build += [f"--customize-hook=copy-out /boot {shlex.quote(str(folder))}"]
    build += proxy_options()
    log = folder / "mmdebstrap.log"
    with log.open("w") as out:
        build += [suite, str(folder / "root.ext4"), *sources(suite)]
        done = subprocess.run(build, check=False, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    if done.returncode:
        raise SystemExit(f"mmdebstrap failed; its last words:\n{''.join(log.read_text().splitlines(True)[-15:])}")
    raw, disk = folder / "root.ext4", folder / "root.qcow2"
    _do("truncate", "-s", "2G", raw)
    _do("resize2fs", raw)
    _do("qemu-img", "convert", "-O", "qcow2", raw, disk)
    raw.unlink()
    return disk


def boot(folder: Path, disk: Path) -> Machine:
    """Return a machine that boots ``disk`` with the kernel in ``folder``, as soon as its first services run."""
    [kernel] = (folder / "boot").glob("vmlinuz-*")
    [initrd] = (folder / "boot").glob("initrd.img-*")
    return Machine(disk, kernel=kernel, initrd=initrd)


def save_state(folder: Path) -> None:
    """Boot the disk once and save the running machine in ``folder/started.qcow2``."""
    base, disk = folder / "root.qcow2", folder / "started.qcow2"
    _do("qemu-img", "create", "-f", "qcow2", "-F", "qcow2", "-b", base.name, disk)
    with boot(folder, disk) as machine:
        machine.run("systemctl is-system-running --wait", timeout=180)
        failed = machine.run("systemctl --failed --plain --no-legend").check()
        if failed:
            raise SystemExit(f"units failed in the guest:\n{failed}")
        machine.run(f"modprobe -a {' '.join(GUEST_MODULES)}").check()
        # The programs that every test runs are in memory when the state is saved.
        machine.run("python3 -c 'import ctypes, json, sqlite3, ssl, logging, concurrent.futures'; usbip port; lsusb")
        machine.run("sync").check()
        answer = machine.control("human-monitor-command", **{"command-line": f"savevm {SNAPSHOT}"})
        if answer:
            raise SystemExit(f"QEMU could not save the machine's state: {answer}")


def _do(*words: str | Path) -> None:
    env = {**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}
    done = subprocess.run(words, check=False, env=env, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{words[0]} failed: {done.stderr}")


def build() -> Path:
    """Return the folder with the saved machine, and build it if necessary. Several processes may call this at once."""
    target = cache()
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.exists():
            return target
        begin = time.monotonic()
        folder = Path(tempfile.mkdtemp(prefix="new-", dir=target.parent))
        try:
            say("installing Debian into a disk image (about a minute)")
            make_disk(folder)
            say(f"starting it once and saving its state (at {time.monotonic() - begin:.0f} s)")
            save_state(folder)
            shutil.rmtree(folder / "files")
            for old in target.parent.glob("image-*"):
                if old.stat().st_mtime < time.time() - KEEP:
                    shutil.rmtree(old)
            folder.rename(target)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        say(f"done in {time.monotonic() - begin:.0f} s: {target}")
    return target


def copy(built: Path, work: Path) -> Path:
    """Copy the disk in ``built`` that has the saved state into the folder ``work``, and return its path."""
    disk = work / "disk.qcow2"
    shutil.copyfile(built / "started.qcow2", disk)
    _do("qemu-img", "rebase", "-u", "-F", "qcow2", "-b", built / "root.qcow2", disk)
    return disk


def main() -> None:
    match sys.argv[1:]:
        case ["prepare"]:
            install_packages()
            build()
        case ["build"]:
            build()
        case _:
            raise SystemExit("usage: python -m tests.support.kernel.image prepare|build")


if __name__ == "__main__":
    main()
