//! A machine to type commands on: a root directory whose `/etc` and `/run` are its own, with the
//! programs of this one, in a mount and process namespace of its own and the network of the test.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::programs::command;
use crate::support::{Skip, need_tool};

/// Where things are; `$1` is the new root, `$2` what is typed there.
const SETUP: &str = r#"
set -e
root=$1
mkdir -p "$root/proc" "$root/sys" "$root/dev" "$root/tmp" "$root/etc/sysctl.d" "$root/etc/modules-load.d" \
    "$root/etc/modprobe.d" "$root/etc/systemd/system" "$root/run" "$root/var/log" "$root/opt/examples"
for directory in bin sbin lib lib32 lib64 libx32 usr; do
    if [ -L "/$directory" ]; then
        [ -L "$root/$directory" ] || cp -P "/$directory" "$root/$directory"
    elif [ -d "/$directory" ]; then
        mkdir -p "$root/$directory"
        mount --rbind "/$directory" "$root/$directory"
    fi
done
[ -d "$root/etc/alternatives" ] || [ ! -d /etc/alternatives ] || cp -RP /etc/alternatives "$root/etc/"
for file in ld.so.cache passwd group; do
    [ ! -e "/etc/$file" ] || cp "/etc/$file" "$root/etc/$file"
done
mount -t proc none "$root/proc"
mount -t sysfs none "$root/sys"
mount --rbind /dev "$root/dev"
mount --bind "$3" "$root/opt/examples"
# Nothing that this machine's own packages say.
for directory in usr/lib usr/local/lib; do
    for name in sysctl.d modules-load.d modprobe.d; do
        [ ! -d "$root/$directory/$name" ] || mount -t tmpfs none "$root/$directory/$name"
    done
done
for over in "$root"/opt/over/*; do
    [ ! -e "$over" ] || mount --bind "$over" "$root$(cat "$root/opt/places/${over##*/}")"
done
export PATH="/opt/stubs:/opt/examples:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
exec chroot "$root" /bin/sh -e -c "$2"
"#;

/// What a machine with a service manager would do, as far as it can be done here.
const SYSTEMCTL: &str = r#"#!/bin/sh
task=$1; shift
for unit in "$@"; do
    name=${unit%.service}.service
    case "$task $unit" in
        "restart docker") sh -e /opt/docker; continue ;;
    esac
    file=$(ls /etc/systemd/system/"$name" /usr/lib/systemd/system/"$name" 2>/dev/null | head -n 1)
    [ -n "$file" ] || { echo "Unit $name not found." >&2; exit 5; }
    case "$task $unit" in
        "cat "*) cat "$file" ;;
        "restart systemd-modules-load") ;; # The module is this machine's, and is there.
        "restart systemd-sysctl") /usr/lib/systemd/systemd-sysctl ;;
        *) echo "$task $unit: not made up here" >&2; exit 1 ;;
    esac
done
"#;

/// The machine.
pub struct PrivateRoot {
    directory: tempfile::TempDir,
    examples: PathBuf,
}

impl PrivateRoot {
    /// An empty one; `Err` where the system does not allow it, or lacks its tools.
    pub fn new() -> Result<Self, Skip> {
        for tool in ["unshare", "mount", "chroot"] {
            need_tool(tool)?;
        }
        let examples = PathBuf::from(command("doctor").get_program());
        let examples = examples.parent().expect("a folder").canonicalize().expect("a folder");
        let root = Self { directory: tempfile::tempdir().expect("a directory"), examples };
        root.write("/opt/stubs/systemctl", SYSTEMCTL);
        root.write("/opt/docker", "");
        root.executable("/opt/stubs/systemctl");
        let output = root.run("true");
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            let why = errors.lines().next().unwrap_or_default();
            return Err(Skip::Kernel(format!("no private root is to be had: {why}")));
        }
        Ok(root)
    }

    fn place(&self, path: &str) -> PathBuf {
        self.directory.path().join(path.trim_start_matches('/'))
    }

    /// Writes a file of it.
    pub fn write(&self, path: &str, text: &str) {
        let place = self.place(path);
        std::fs::create_dir_all(place.parent().expect("a parent")).expect("a directory");
        std::fs::write(place, text).expect("a file");
    }

    /// What is in a file of it.
    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.place(path)).expect("a file")
    }

    /// Makes a link.
    pub fn link(&self, target: &str, path: &str) {
        std::os::unix::fs::symlink(target, self.place(path)).expect("a link");
    }

    /// Whether this is a link still.
    pub fn is_link(&self, path: &str) -> bool {
        self.place(path).is_symlink()
    }

    fn executable(&self, path: &str) {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(self.place(path), mode).expect("a mode");
    }

    /// Puts a file in the place of one that the kernel shows: a number of the whole host, which
    /// cannot be set in here. `stands_in` is its path then.
    pub fn instead_of(&self, path: &str, text: &str) -> String {
        let name = path.rsplit('/').next().expect("a name");
        let stands_in = format!("/opt/over/{name}");
        self.write(&stands_in, text);
        self.write(&format!("/opt/places/{name}"), path);
        stands_in
    }

    /// Hides a directory behind an empty one.
    pub fn hide(&self, path: &str) {
        let name = path.trim_start_matches('/').replace('/', "_");
        std::fs::create_dir_all(self.place(&format!("/opt/over/{name}"))).expect("a directory");
        self.write(&format!("/opt/places/{name}"), path);
    }

    /// What the shell of this machine makes of a line.
    pub fn run(&self, line: &str) -> Output {
        let root: &Path = self.directory.path();
        Command::new("unshare")
            .args(["--mount", "--pid", "--fork", "sh", "-c", SETUP, "sh"])
            .arg(root)
            .arg(line)
            .arg(&self.examples)
            .output()
            .expect("a run")
    }

    /// The same of a line that has to work.
    pub fn sure(&self, line: &str) -> String {
        let output = self.run(line);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {errors}");
        String::from_utf8(output.stdout).expect("text")
    }
}
