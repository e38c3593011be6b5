//! Settings and boots, on made-up machines. The numbers are those of the table in the guide.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use ctnetlink::operate::finding::Severity;
use ctnetlink::operate::persist::{Audit, FilePlan, Module, Want, audit};

const MAX: &str = "net.netfilter.nf_conntrack_max";

/// A machine that consists of these files.
pub struct Machine(tempfile::TempDir);

impl Machine {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn file(&self, path: &str, text: &str) -> &Self {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, text).expect("a file");
        self
    }

    pub fn link(&self, path: &str, target: &str) -> &Self {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        symlink(target, path).expect("a link");
        self
    }

    fn executable(&self, path: &str) -> &Self {
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(self.path().join(path), mode).expect("a mode");
        self
    }

    /// With the module loaded, and these sizes.
    fn running(&self, max: u64, buckets: u64) -> &Self {
        self.file("sys/module/nf_conntrack/initstate", "live\n")
            .file("proc/sys/net/netfilter/nf_conntrack_max", &format!("{max}\n"))
            .file("proc/sys/net/netfilter/nf_conntrack_buckets", &format!("{buckets}\n"))
            .file("proc/sys/kernel/osrelease", "6.1.0-13-amd64\n")
    }

    fn audit(&self) -> Audit {
        audit(self.path())
    }

    fn ids(&self) -> Vec<&'static str> {
        self.audit().findings.iter().map(|finding| finding.id).collect()
    }

    /// All files with their contents.
    fn snapshot(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut folders = vec![self.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a directory") {
                let path = entry.expect("an entry").path();
                let name = path.strip_prefix(self.path()).expect("below").display().to_string();
                match fs::symlink_metadata(&path).expect("a file") {
                    data if data.is_dir() => folders.push(path),
                    data if data.is_file() => {
                        found.push((name, fs::read_to_string(path).expect("text")));
                    }
                    _ => found.push((name, "a link".to_owned())),
                }
            }
        }
        found.sort();
        found
    }
}

#[test]
fn check_0_1_files_are_merged_as_systemd_does() {
    let machine = Machine::new();
    machine
        .file("etc/sysctl.d/10-a.conf", "net.netfilter.nf_conntrack_max=1048576\n")
        .file("usr/lib/sysctl.d/50-b.conf", "# b\n-net/netfilter/nf_conntrack_max = 262144\n");
    let found = machine.audit();
    let max = found.setting("nf_conntrack_max").expect("set");
    assert_eq!((max.value.as_str(), max.key.as_str()), ("262144", MAX));
    assert_eq!(max.from, ("/usr/lib/sysctl.d/50-b.conf".to_owned(), 2));
    assert_eq!(max.overridden, [("/etc/sysctl.d/10-a.conf".to_owned(), 1)]);

    // The same name above hides it, and /dev/null says nothing.
    machine.link("etc/sysctl.d/50-b.conf", "/dev/null");
    assert_eq!(machine.audit().setting(MAX).expect("set").value, "1048576");
    machine.file("run/sysctl.d/10-a.conf", "net.nf_conntrack_max=7\n");
    assert_eq!(machine.audit().setting(MAX).expect("set").value, "1048576", "/etc comes first");
    machine.file("run/sysctl.d/11-a.conf", "net.nf_conntrack_max=7\n");
    assert_eq!(machine.audit().setting(MAX).expect("set").value, "7", "the old name of it");

    // Patterns, and what is taken out of them.
    machine
        .file("proc/sys/net/netfilter/nf_conntrack_acct", "1\n")
        .file("etc/sysctl.d/60.conf", "net.netfilter.nf_conntrack_a* = 1\n");
    assert_eq!(machine.audit().setting("nf_conntrack_acct").expect("set").value, "1");
    machine.file("etc/sysctl.d/61.conf", "-net.netfilter.nf_conntrack_acct\n");
    assert_eq!(machine.audit().setting("nf_conntrack_acct"), None);
}

#[test]
fn check_0_2_settings_that_come_before_their_module() {
    let machine = Machine::new();
    machine.file("etc/sysctl.d/99-ct.conf", "net.netfilter.nf_conntrack_max=1048576\n");
    let found = machine.audit();
    assert_eq!(found.module, Module::NotLoaded);
    let [finding] = &found.findings[..] else { panic!("{:?}", found.findings) };
    assert_eq!((finding.id, finding.severity), ("SYSCTL_BEFORE_MODULE", Severity::Critical));
    assert!(finding.commands[0].contains("/etc/modules-load.d/nf_conntrack.conf"));

    let in_time = |machine: &Machine| assert_eq!(machine.ids(), [""; 0]);
    machine.file("usr/lib/modules-load.d/ct.conf", "# first\nnf-conntrack\n");
    in_time(&machine);
    assert!(machine.audit().loaders[0].in_time);

    let built_in = Machine::new();
    built_in
        .file("etc/sysctl.d/99-ct.conf", "net.netfilter.nf_conntrack_max=1048576\n")
        .file("sys/module/nf_conntrack/parameters/hashsize", "1048576\n");
    assert_eq!(built_in.audit().module, Module::BuiltIn);
    in_time(&built_in);
    let listed = Machine::new();
    listed
        .file("etc/sysctl.d/99-ct.conf", "net.netfilter.nf_conntrack_max=1048576\n")
        .file("lib/modules/6.1/modules.builtin", "kernel/net/netfilter/nf_conntrack.ko\n");
    in_time(&listed);
    let command_line = Machine::new();
    command_line
        .file("etc/sysctl.d/99-ct.conf", "net.netfilter.nf_conntrack_max=1048576\n")
        .file("proc/cmdline", "quiet modules_load=overlay,nf_conntrack ro\n");
    in_time(&command_line);
    let debian = Machine::new();
    debian
        .file("etc/sysctl.d/99-ct.conf", "net.netfilter.nf_conntrack_max=1048576\n")
        .file("etc/modules", "nf_conntrack\n")
        .link("etc/modules-load.d/modules.conf", "../modules");
    in_time(&debian);
    // Nothing of conntrack, nothing to say.
    let other = Machine::new();
    other.file("etc/sysctl.d/99-ip.conf", "net.ipv4.ip_forward=1\nvm.swappiness=1\n");
    in_time(&other);
    assert_eq!(other.audit().settings.len(), 1);
}

#[test]
fn check_0_3_loaders_in_no_order_and_ones_that_never_run() {
    let machine = Machine::new();
    machine
        .file("etc/sysctl.d/99-nf_conntrack.conf", "net.netfilter.nf_conntrack_max = 2097152\n")
        .file(
            "etc/sysconfig/modules/nf_conntrack.modules",
            "#!/bin/sh\n/sbin/modprobe nf_conntrack\n",
        );
    assert_eq!(machine.ids(), ["SYSCTL_BEFORE_MODULE", "LOADER_NEVER_RUNS"]);
    machine.executable("etc/sysconfig/modules/nf_conntrack.modules");
    let found = machine.audit();
    let [finding] = &found.findings[..] else { panic!("{:?}", found.findings) };
    assert_eq!((finding.id, finding.severity), ("UNORDERED_LOADER", Severity::Warning));
    assert!(finding.remedy.contains("modules-load.d"), "{finding:?}");

    let late = Machine::new();
    late.file("etc/sysctl.d/9.conf", "net.netfilter.nf_conntrack_max=65537\n")
        .file("etc/rc.local", "modprobe nf_conntrack # early\n")
        .executable("etc/rc.local");
    assert_eq!(late.ids(), ["UNORDERED_LOADER"]);
    late.file("etc/rc.local", "# modprobe nf_conntrack\n");
    assert_eq!(late.ids(), ["SYSCTL_BEFORE_MODULE"], "a comment loads nothing");
    let nobody = Machine::new();
    nobody
        .file("etc/sysctl.d/9.conf", "net.netfilter.nf_conntrack_max=65537\n")
        .file("etc/modules", "nf_conntrack\n");
    assert_eq!(nobody.ids(), ["SYSCTL_BEFORE_MODULE", "LOADER_NEVER_RUNS"]);

    // The incident's own way: rc.local sets it, in no order with docker, which loads the module.
    for (line, value) in [
        ("sysctl -w net.netfilter.nf_conntrack_max=2097152", "2097152"),
        ("/sbin/sysctl -q -w net.nf_conntrack_max='2097152' # docker", "2097152"),
        ("echo 2097152 > /proc/sys/net/netfilter/nf_conntrack_max", "2097152"),
        ("sysctl -w net.netfilter.nf_conntrack_max=$MAX", "$MAX"),
    ] {
        let script = Machine::new();
        script.file(
            "etc/rc.d/rc.local",
            &format!("#!/bin/bash\ntouch /var/lock/subsys/local\n{line}\n"),
        );
        script.link("etc/rc.local", "rc.d/rc.local").executable("etc/rc.d/rc.local");
        let found = script.audit();
        let [finding] = &found.findings[..] else { panic!("{line}: {:?}", found.findings) };
        assert_eq!((finding.id, finding.severity), ("UNORDERED_LOADER", Severity::Warning));
        let seen = format!(
            "/etc/rc.local, line 3, sets nf_conntrack_max to {value}, in no order with whatever loads \
             nf_conntrack"
        );
        assert_eq!(finding.seen, seen);
        let command = (value == "2097152").then_some("persist apply --max 2097152 --yes");
        assert_eq!(finding.commands.iter().map(String::as_str).next(), command);
        script.file("etc/rc.d/rc.local", &format!("#!/bin/bash\n# {line}\n"));
        assert_eq!(script.ids(), [""; 0], "a comment sets nothing");
        script.file("etc/rc.d/rc.local", &format!("#!/bin/bash\nexit 0\n{line}\n"));
        assert_eq!(script.ids(), ["LOADER_NEVER_RUNS"], "what comes behind its end");
        script.file("etc/rc.d/rc.local", &format!("modprobe nf_conntrack && {line}\n"));
        assert_eq!(script.ids(), ["SET_BY_SCRIPT"], "in order, and late");
    }
    let idle = Machine::new();
    idle.file("etc/rc.local", "#!/bin/sh\nsysctl -w net.netfilter.nf_conntrack_acct=1\n");
    assert_eq!(idle.ids(), ["LOADER_NEVER_RUNS"], "not executable");
    idle.executable("etc/rc.local").file("etc/modules-load.d/ct.conf", "nf_conntrack\n");
    let found = idle.audit();
    assert_eq!(
        (found.findings[0].id, found.findings[0].severity),
        ("SET_BY_SCRIPT", Severity::Info)
    );
    assert_eq!(found.findings[0].commands, ["persist apply acct=1 --yes"]);
}

#[test]
fn check_0_4_a_plan_mends_the_incident_and_a_second_one_changes_nothing() {
    // The limit was set, the module came after it, and after the boot it was 65,536 again.
    let machine = Machine::new();
    machine
        .running(65_536, 16_384)
        .file("etc/sysctl.d/99-sysctl.conf", "net.netfilter.nf_conntrack_max = 2097152\n");
    let ids = machine.ids();
    assert!(ids.contains(&"SYSCTL_BEFORE_MODULE") && ids.contains(&"DRIFT"), "{ids:?}");
    assert!(ids.contains(&"MAX_WITHOUT_BUCKETS"), "{ids:?}");

    let before = machine.snapshot();
    let want = Want::new().max(2_097_152).buckets(2_097_000).setting("tcp_timeout_time_wait", 30);
    let plan = FilePlan::new(machine.path(), &want);
    assert_eq!(machine.snapshot(), before, "a plan writes nothing");
    let planned: Vec<_> =
        plan.files.iter().map(|file| (file.path.as_str(), file.content.as_str())).collect();
    assert_eq!(
        planned,
        [
            (
                "/etc/modules-load.d/nf_conntrack.conf",
                "# Connection tracking.\n# So that settings have something to set.\nnf_conntrack\n",
            ),
            (
                "/etc/modprobe.d/nf_conntrack.conf",
                "# Connection tracking.\n\
                 # This alone would make nf_conntrack_max eight times as many.\n\
                 options nf_conntrack hashsize=2097152\n",
            ),
            (
                "/etc/sysctl.d/zz-nf_conntrack.conf",
                "# Connection tracking.\nnet.netfilter.nf_conntrack_max = 2097152\n\
                 net.netfilter.nf_conntrack_tcp_timeout_time_wait = 30\n",
            ),
        ],
        "and the last name comes after 99-sysctl.conf"
    );
    assert_eq!(plan.command_line, None);
    let written = plan.apply().expect("written");
    assert!(written.iter().all(|file| file.changed));
    // As the next boot will have it.
    machine
        .running(2_097_152, 2_097_152)
        .file("proc/sys/net/netfilter/nf_conntrack_tcp_timeout_time_wait", "30\n");
    assert_eq!(machine.ids(), [""; 0]);
    let max = machine.audit();
    assert_eq!(max.setting(MAX).expect("set").from.0, "/etc/sysctl.d/zz-nf_conntrack.conf");

    let after = machine.snapshot();
    let again = FilePlan::new(machine.path(), &want);
    assert!(again.files.iter().all(|file| file.unchanged), "{again}");
    assert!(again.apply().expect("nothing to do").iter().all(|file| !file.changed));
    assert_eq!(machine.snapshot(), after);
    assert!(again.to_string().contains("(unchanged)"));

    // Built in, there is no module to give a size to.
    let built_in = Machine::new();
    built_in.file("sys/module/nf_conntrack/parameters/hashsize", "1\n");
    let plan = FilePlan::new(built_in.path(), &want);
    assert_eq!(plan.command_line.as_deref(), Some("nf_conntrack.hashsize=2097152"));
    assert_eq!(plan.files.len(), 1);
    assert_eq!(plan.files[0].path, "/etc/sysctl.d/99-nf_conntrack.conf");
}

#[test]
fn what_else_is_in_a_file_stays_there() {
    let machine = Machine::new();
    machine
        .file(
            "etc/modprobe.d/nf_conntrack.conf",
            "# ours\noptions nf_conntrack acct=1 hashsize=7\n\
              options nf_conntrack_ftp ports=2121\noptions nf_conntrack hashsize=9 tstamp=1\n",
        )
        .file("etc/modules-load.d/nf_conntrack.conf", "overlay")
        .file(
            "etc/sysctl.d/99-nf_conntrack.conf",
            "# why\nvm.swappiness=1\n\
              net/netfilter/nf_conntrack_max=5\nnet.netfilter.nf_conntrack_acct = 1\n",
        );
    FilePlan::new(machine.path(), &Want::new().max(1 << 20).buckets(1 << 20))
        .apply()
        .expect("written");
    let expected = [
        (
            "etc/modprobe.d/nf_conntrack.conf",
            "# ours\noptions nf_conntrack acct=1 hashsize=1048576\n\
             options nf_conntrack_ftp ports=2121\noptions nf_conntrack tstamp=1\n",
        ),
        ("etc/modules-load.d/nf_conntrack.conf", "overlay\nnf_conntrack\n"),
        (
            "etc/sysctl.d/99-nf_conntrack.conf",
            "# why\nvm.swappiness=1\nnet.netfilter.nf_conntrack_acct = 1\n\
             net.netfilter.nf_conntrack_max = 1048576\n",
        ),
    ];
    let owned = |(path, text): (&str, &str)| (path.to_owned(), text.to_owned());
    assert_eq!(machine.snapshot(), expected.map(owned));
    // A setting more, and the limit of before is still there.
    let more = FilePlan::new(machine.path(), &Want::new().setting("tcp_timeout_time_wait", 30));
    more.apply().expect("written");
    let found = machine.audit();
    assert_eq!(found.setting(MAX).expect("set").value, "1048576");
    assert_eq!(found.setting("nf_conntrack_tcp_timeout_time_wait").expect("set").value, "30");
    let before = machine.snapshot();
    more.apply().expect("nothing to do");
    assert_eq!(machine.snapshot(), before);

    // What cannot be read cannot be kept, so it is not written over.
    let giant = Machine::new();
    let place = giant.file("etc/sysctl.d/99-nf_conntrack.conf", "").path();
    let file =
        fs::File::options().write(true).open(place.join("etc/sysctl.d/99-nf_conntrack.conf"));
    file.expect("a file").set_len(2 << 20).expect("a hole");
    let error = FilePlan::new(place, &Want::new().max(9)).apply().expect_err("not to be read");
    assert!(error.to_string().contains("/etc/sysctl.d/99-nf_conntrack.conf"), "{error}");
    let size = fs::metadata(place.join("etc/sysctl.d/99-nf_conntrack.conf")).expect("a file").len();
    assert_eq!(size, 2 << 20);

    // Somebody else loads the module in time: no second one has to.
    let loaded = Machine::new();
    loaded.file("etc/modules-load.d/k8s.conf", "br_netfilter\nnf_conntrack\n");
    assert_eq!(FilePlan::new(loaded.path(), &Want::new().max(9)).files.len(), 1);
}

#[test]
fn check_0_5_what_is_so_and_what_should_be() {
    let machine = Machine::new();
    machine
        .running(65_536, 65_536)
        .file("etc/modules-load.d/ct.conf", "nf_conntrack\n")
        .file("etc/sysctl.d/9.conf", "net.netfilter.nf_conntrack_max=131072\n");
    let found = machine.audit();
    let [finding] = &found.findings[..] else { panic!("{:?}", found.findings) };
    assert_eq!((finding.id, finding.severity), ("DRIFT", Severity::Warning));
    assert_eq!(finding.commands, [format!("sysctl -w {MAX}=131072")]);
    machine.running(262_144, 65_536);
    let found = machine.audit();
    let [finding] = &found.findings[..] else { panic!("{:?}", found.findings) };
    assert_eq!((finding.id, finding.severity), ("RAISED", Severity::Info));
    assert!(finding.why.contains("kube-proxy"));
    machine.running(131_072, 65_536);
    assert_eq!(machine.ids(), [""; 0]);
}

#[test]
fn check_0_6_a_limit_without_buckets_for_it() {
    let machine = Machine::new();
    machine.running(2_097_152, 16_384);
    let found = machine.audit();
    let [finding] = &found.findings[..] else { panic!("{:?}", found.findings) };
    assert_eq!((finding.id, finding.severity), ("MAX_WITHOUT_BUCKETS", Severity::Critical));
    assert!(finding.seen.contains("chains of 256"), "{}", finding.seen);
    assert!(finding.seen.contains("from about 196608 on"), "{}", finding.seen);
    assert!(finding.remedy.contains("2097152 buckets make chains of 2"), "{}", finding.remedy);
    assert!(finding.remedy.contains("175104 are the least"), "{}", finding.remedy);
    // An old kernel refuses nothing, and is only slow.
    machine.file("proc/sys/kernel/osrelease", "3.10.0-1160.el7.x86_64\n");
    let found = machine.audit();
    assert_eq!(found.findings[0].severity, Severity::Warning);
    // Its buckets cannot be set by sysctl, which is read-only there.
    let command = "echo 2097152 > /sys/module/nf_conntrack/parameters/hashsize";
    assert_eq!(found.findings[0].commands[0], command);
    for (release, by_sysctl) in [("4.7.0", false), ("4.8.0", true), ("6.1.0-13-amd64", true)] {
        machine.file("proc/sys/kernel/osrelease", &format!("{release}\n"));
        let commands = &machine.audit().findings[0].commands;
        assert_eq!(
            commands[0] == "sysctl -w net.netfilter.nf_conntrack_buckets=2097152",
            by_sysctl
        );
    }
    // A hashsize alone is told.
    let given = Machine::new();
    given
        .file("etc/modprobe.d/ct.conf", "options nf_conntrack expect_hashsize=1 hashsize=262144\n");
    let found = given.audit();
    assert_eq!(found.findings[0].id, "HASHSIZE_SETS_MAX");
    assert!(found.findings[0].seen.contains("2097152"));
}

#[test]
fn a_file_that_nobody_reads_at_boot() {
    let machine = Machine::new();
    machine
        .file("etc/modules-load.d/ct.conf", "nf_conntrack\n")
        .file("etc/sysctl.conf", "net.netfilter.nf_conntrack_max=131072\nvm.swappiness=1\n");
    assert_eq!(machine.ids(), ["NOT_READ_AT_BOOT"]);
    machine.link("etc/sysctl.d/99-sysctl.conf", "../sysctl.conf");
    assert_eq!(machine.ids(), [""; 0]);
    assert_eq!(machine.audit().setting(MAX).expect("set").from.0, "/etc/sysctl.d/99-sysctl.conf");
}

#[test]
fn whatever_the_files_are_it_is_a_finding() {
    let nothing = Machine::new();
    assert_eq!(nothing.ids(), [""; 0]);
    assert_eq!(audit("/no/such/place").findings, []);

    let machine = Machine::new();
    machine
        .file("etc/modules-load.d/ct.conf", "nf_conntrack\n")
        .file("etc/sysctl.d/1.conf", "net.netfilter.nf_conntrack_max=lots\n")
        .file("etc/sysctl.d/2.conf", "net.netfilter.nf_conntra")
        .link("etc/sysctl.d/3.conf", "4.conf")
        .link("etc/sysctl.d/4.conf", "3.conf")
        .link("etc/sysctl.d/5.conf", "../../../../../../etc/passwd");
    fs::create_dir(machine.path().join("etc/sysctl.d/6.conf")).expect("a directory");
    let huge = fs::File::create(machine.path().join("etc/sysctl.d/7.conf")).expect("a file");
    huge.set_len(1 << 30).expect("a hole");
    fs::write(machine.path().join("etc/sysctl.d/8.conf"), [0xff, 0xfe, b'=', 0]).expect("a file");
    let found = machine.audit();
    let count = |id| found.findings.iter().filter(|finding| finding.id == id).count();
    assert_eq!(count("NOT_A_NUMBER"), 1);
    assert_eq!(count("MALFORMED_LINE"), 1, "half a line");
    // Two links in a circle, one that leads nowhere below the root, a directory, a giant.
    assert_eq!(count("UNREADABLE"), 5, "{:?}", found.findings);
    assert!(found.findings.is_sorted_by(|a, b| a.severity >= b.severity));

    // A place that cannot be written: an error that names it, and no half of a file.
    let want = Want::new().max(1 << 20);
    let machine = Machine::new();
    machine.file("etc/modules-load.d", "a file where a directory should be");
    let before = machine.snapshot();
    let error = FilePlan::new(machine.path(), &want).apply().expect_err("no directory");
    assert!(error.to_string().contains("/etc/modules-load.d/nf_conntrack.conf"), "{error}");
    assert_eq!(machine.snapshot(), before);
    // What a run that was cut short has left is no hindrance.
    let machine = Machine::new();
    machine.file("etc/sysctl.d/.99-nf_conntrack.conf.a1B2c3.new", "net.netf");
    FilePlan::new(machine.path(), &want).apply().expect("written");
    assert!(machine.snapshot().iter().all(|(name, _)| !name.ends_with(".new")));
}

#[test]
fn links_do_not_lead_out_of_the_root() {
    let machine = Machine::new();
    machine
        .file("etc/modules-load.d/ct.conf", "nf_conntrack\n")
        .file("opt/ct.conf", "net.netfilter.nf_conntrack_max=77777\n")
        .link("etc/sysctl.d/1.conf", "/opt/ct.conf");
    assert_eq!(machine.audit().setting(MAX).expect("set").value, "77777");
    let plan = FilePlan::new(machine.path(), &Want::new().max(88_888));
    plan.apply().expect("written");
    assert!(machine.path().join("etc/sysctl.d/99-nf_conntrack.conf").exists());
    // A masked name is written anew, and not through the link.
    let masked = Machine::new();
    masked.link("etc/sysctl.d/99-nf_conntrack.conf", "/dev/null");
    FilePlan::new(masked.path(), &Want::new().max(88_888)).apply().expect("written");
    assert_eq!(masked.audit().setting(MAX).expect("set").value, "88888");
}

/// What the audit makes of one file: of this setting, the number that counts.
fn number_of(name: &str, text: impl AsRef<[u8]>) -> Option<i64> {
    let machine = Machine::new();
    machine.running(65_536, 16_384);
    for name in ["udp_timeout", "udp_timeout_stream", "icmp_timeout", "icmpv6_timeout"] {
        machine.file(&format!("proc/sys/net/netfilter/nf_conntrack_{name}"), "30\n");
    }
    machine.file("etc/sysctl.d/a.conf", "");
    fs::write(machine.path().join("etc/sysctl.d/a.conf"), text).expect("a file");
    machine.audit().setting(name)?.number
}

/// Each of these was another one in the audit than in the kernel; `tests/kernel/persist.rs` compares many more
/// with the program itself.
#[test]
fn values_are_what_the_kernel_makes_of_them() {
    for (value, number) in [
        ("12 # comment", Some(12)),
        ("7 8", Some(7)),
        ("0x40", Some(64)),
        ("040", Some(32)),
        ("+5", None),
        ("4294967296", None),
        ("", None),
        ("lots", None),
        ("12#", None),
        ("3000000", None),
        ("5", Some(5)),
    ] {
        let line = format!("net.netfilter.nf_conntrack_udp_timeout = {value}\n");
        assert_eq!(number_of("nf_conntrack_udp_timeout", &line), number, "{line}");
    }
    let machine = Machine::new();
    machine
        .file("etc/modules-load.d/ct.conf", "nf_conntrack\n")
        .file("etc/sysctl.d/1.conf", "net.netfilter.nf_conntrack_max = 0x20000 # 2^17\n")
        .file("etc/sysctl.d/2.conf", "net.nf_conntrack_max = 4294967296\n");
    let found = machine.audit();
    let max = found.setting(MAX).expect("set");
    assert_eq!((max.number, max.from.0.as_str()), (Some(131_072), "/etc/sysctl.d/1.conf"));
    let [finding] = &found.findings[..] else { panic!("{:?}", found.findings) };
    assert_eq!(finding.id, "VALUE_REFUSED");
    assert!(finding.seen.contains("keeps \"0x20000 # 2^17\" of /etc/sysctl.d/1.conf, line 1"));
    // What only some kernels take is said.
    let machine = Machine::new();
    machine
        .file("etc/modules-load.d/ct.conf", "nf_conntrack\n")
        .file("etc/sysctl.d/1.conf", "net.netfilter.nf_conntrack_udp_timeout = 3000000\n");
    let found = machine.audit();
    assert_eq!(machine.ids(), ["VALUE_UNCERTAIN"]);
    assert!(found.findings[0].why.contains("CONFIG_HZ"), "{:?}", found.findings);
    // Buckets are rounded, and that is no drift.
    let machine = Machine::new();
    machine
        .running(65_536, 20_480)
        .file("etc/modules-load.d/ct.conf", "nf_conntrack\n")
        .file("etc/sysctl.d/1.conf", "net.netfilter.nf_conntrack_buckets = 20000\n");
    assert_eq!(machine.ids(), [""; 0]);
}

/// The number that a setting becomes by this value in a file, or why there is none.
fn becomes(key: &str, value: &str) -> Result<i64, &'static str> {
    let machine = Machine::new();
    machine.file("etc/sysctl.d/a.conf", &format!("{key} = {value}\n"));
    let found = machine.audit();
    let setting = found.setting(key).expect("set, or shown as refused");
    let refused = ["NOT_A_NUMBER", "VALUE_REFUSED"];
    let is_refused = found.findings.iter().any(|finding| refused.contains(&finding.id));
    let says_so = setting.note.is_some_and(|note| REFUSED.contains(&note));
    assert_eq!(is_refused, says_so, "{found:?}");
    setting.number.ok_or_else(|| setting.note.expect("a reason"))
}

const NO_NUMBER: &str = "the kernel reads no number in it";
const OUT_OF_RANGE: &str = "the kernel refuses a number like this";
const READ_ONLY: &str = "it can only be read";
const REFUSED: [&str; 3] = [NO_NUMBER, OUT_OF_RANGE, READ_ONLY];

#[test]
fn numbers_as_the_kernel_reads_them() {
    let timeout = |text: &str| becomes("net.netfilter.nf_conntrack_udp_timeout", text);
    for (text, number) in [
        ("12", 12),
        ("12 # comment", 12),
        ("7 8", 7),
        ("7\t", 7),
        ("\x0b7", 7),
        ("0x40", 64),
        ("0XaF", 175),
        ("040", 32),
        ("0", 0),
        ("-0", 0),
        ("-5", -5),
        ("00000000000000000012", 10),
        ("2147483", 2_147_483),
    ] {
        assert_eq!(timeout(text), Ok(number), "{text}");
    }
    for text in [
        "",
        "+5",
        "- 5",
        "-",
        "lots",
        "08",
        "0x",
        "0xg",
        "0b1",
        "1e3",
        "12,5",
        "12#",
        "1\x0b",
        "000000000000000000012",
        "-00000000000000000012",
    ] {
        assert_eq!(timeout(text), Err(NO_NUMBER), "{text}");
    }
    for text in ["4294967296", "18446744073709551617", "2147483648", "21474837", "-21474837"] {
        assert_eq!(timeout(text), Err(OUT_OF_RANGE), "{text}");
    }
    assert!(timeout("3000000").is_err_and(|why| why.contains("CONFIG_HZ")));
}

#[test]
fn what_settings_can_be() {
    let of = |name: &str, text: &str| becomes(&format!("net.netfilter.nf_conntrack_{name}"), text);
    let negative = "older kernels take numbers below zero here, newer ones refuse them";
    assert_eq!(of("max", "0x200000"), Ok(1 << 21));
    assert_eq!(of("max", "2147483648"), Err(OUT_OF_RANGE));
    assert_eq!(of("max", "-1"), Err(negative));
    assert_eq!(of("buckets", "1000"), Ok(1024));
    assert_eq!(of("buckets", "0"), Err(OUT_OF_RANGE));
    assert_eq!(of("count", "5"), Err(READ_ONLY));
    assert_eq!(of("acct", "1"), Ok(1));
    for odd in ["2", "-0"] {
        assert!(of("acct", odd).is_err_and(|why| !REFUSED.contains(&why)), "{odd}");
    }
    assert_eq!(of("log_invalid", "255"), Ok(255));
    let dependent = "other settings limit what the kernel takes here";
    assert_eq!(of("frag6_low_thresh", "5000000000"), Err(dependent));
    assert_eq!(becomes("net.ipv4.ip_forward", "-2147483648"), Ok(-2_147_483_648));
}

/// The lines of a script that set something, and what they set: `1 nf_conntrack_max to 5`. Nothing loads the module.
fn set_by(script: &str) -> Vec<(&'static str, String)> {
    let machine = Machine::new();
    machine.file("etc/rc.local", script).executable("etc/rc.local");
    let shown = |seen: &str| {
        let rest = seen.strip_prefix("/etc/rc.local, line ").expect("a place");
        let (rest, _) = rest.rsplit_once(", ").expect("a reason");
        rest.replace(", sets", "")
    };
    let found = machine.audit().findings;
    found.iter().map(|finding| (finding.id, shown(&finding.seen))).collect()
}

#[test]
fn ways_to_set_a_setting_in_a_script() {
    for script in [
        "sysctl -w net.netfilter.nf_conntrack_max=65537",
        "sysctl -q -w net.netfilter.nf_conntrack_max=65537 >/dev/null 2>&1",
        "/sbin/sysctl -qw net/netfilter/nf_conntrack_max=65537",
        "sysctl net.netfilter.nf_conntrack_max=65537",
        "sysctl -w 'net.netfilter.nf_conntrack_max=65537' # why",
        "sysctl -w net.netfilter.nf_conntrack_max=\"65537\"",
        "sysctl -w net.nf_conntrack_max=65537 vm.swappiness=1",
        "sysctl \\\n  -w net.netfilter.nf_conntrack_max=65537",
        "sleep 5; sysctl -w net.netfilter.nf_conntrack_max=65537",
        "(sleep 5 && sysctl -w net.netfilter.nf_conntrack_max=65537) &",
        "if true; then sysctl -w net.netfilter.nf_conntrack_max=65537; fi",
        "echo 65537 > /proc/sys/net/netfilter/nf_conntrack_max",
        "echo 65537 >/proc/sys/net/nf_conntrack_max",
        "echo -n \"65537\">/proc/sys/net/netfilter/nf_conntrack_max",
        "echo 65537 | sudo tee /proc/sys/net/netfilter/nf_conntrack_max",
    ] {
        let max = "1 nf_conntrack_max to 65537".to_owned();
        assert_eq!(set_by(script), [("UNORDERED_LOADER", max)], "{script}");
    }
    let hashsize = "#!/bin/sh\n\necho 512 > /sys/module/nf_conntrack/parameters/hashsize\n";
    let buckets = "3 nf_conntrack_buckets to 512".to_owned();
    assert_eq!(set_by(hashsize), [("UNORDERED_LOADER", buckets)]);
    for nothing in [
        "# sysctl -w net.netfilter.nf_conntrack_max=65537",
        "true # sysctl -w net.netfilter.nf_conntrack_max=65537",
        "sysctl -w vm.swappiness=1",
        "sysctl net.netfilter.nf_conntrack_max",
        "sysctl -p",
        "echo net.netfilter.nf_conntrack_max=65537",
        "echo sysctl -w net.netfilter.nf_conntrack_max=65537",
        "cat /proc/sys/net/netfilter/nf_conntrack_max > /dev/null",
        "echo 1 > /proc/sys/net/ipv4/ip_forward",
        "'",
        "\\",
        "",
    ] {
        assert_eq!(set_by(nothing), [], "{nothing}");
    }
    let accounting = |line: u8| format!("{line} nf_conntrack_acct to 1");
    let both = "modprobe nf_conntrack\nsysctl -w net.netfilter.nf_conntrack_acct=1";
    assert_eq!(set_by(both), [("SET_BY_SCRIPT", accounting(2))]);
    let behind = "exit 0\nsysctl -w net.netfilter.nf_conntrack_acct=1";
    let [(id, seen)] = &set_by(behind)[..] else { panic!("one") };
    assert_eq!(*id, "LOADER_NEVER_RUNS");
    assert!(seen.starts_with(&accounting(2)), "{seen}");
}

#[test]
fn keys_are_those_that_systemd_sets() {
    let name = "nf_conntrack_udp_timeout";
    let key = format!("net.netfilter.{name}");
    for (text, number) in [
        (format!("{key} = 135\n-{key}\n"), None),
        (format!("-{key}\n{key} = 135\n"), Some(135)),
        (format!("-{key}\nnet.netfilter.nf_conntrack_u* = 135\n"), None),
        // An exclusion by a pattern is one of that very pattern.
        ("-net.netfilter.nf_*\nnet.netfilter.nf_conntrack_u* = 135\n".to_owned(), Some(135)),
        ("net.netfilter.nf_* = 135\n-net.netfilter.nf_*\n".to_owned(), None),
        ("net.netfilter.nf_conntrack_[ui]* = 135\n".to_owned(), Some(135)),
        ("net.netfilter.nf_conntrack_[!u]* = 135\n".to_owned(), None),
        ("net.netfilter.nf_conntrack_[!i]* = 135\n".to_owned(), Some(135)),
        ("*.netfilter.nf_conntrack_{icmp,udp}_timeou? = 135\n".to_owned(), Some(135)),
        (format!("net..netfilter.{name} = 135\n"), Some(135)),
        (format!("net//netfilter/{name} = 135\n"), Some(135)),
        (format!(".net.netfilter.{name} = 135\n"), Some(135)),
        (format!("net/./netfilter/{name}/ = 135\n"), Some(135)),
        (format!("net/ipv4/../netfilter/{name} = 135\n"), None),
        (format!("net.netfilter/{name} = 135\n"), None),
        (format!("a=1\r{key} = 135\0b=2\r\n"), Some(135)),
        (format!("{key} = 135"), Some(135)),
        (format!("- {key} = 135"), Some(135)),
    ] {
        assert_eq!(number_of(name, &text), number, "{text}");
    }
    // Hidden files are not read.
    let machine = Machine::new();
    machine.file("etc/sysctl.d/.a.conf", &format!("{key} = 135\n"));
    assert_eq!(machine.audit().setting(name), None);
    // One spelled two ways: the same again stays where it was, and the other comes after it.
    let machine = Machine::new();
    machine
        .file("etc/sysctl.d/1.conf", "net.netfilter.nf_conntrack_max = 50001\n")
        .file("etc/sysctl.d/2.conf", "net.nf_conntrack_max = 50002\n")
        .file("etc/sysctl.d/3.conf", "net.netfilter.nf_conntrack_max = 50001\n");
    assert_eq!(machine.audit().setting(MAX).expect("set").number, Some(50_002));
    // A plan knows.
    FilePlan::new(machine.path(), &Want::new().max(50_001)).apply().expect("written");
    assert_eq!(machine.audit().setting(MAX).expect("set").number, Some(50_001));
    // What takes a setting back comes before the plan's file, too.
    machine
        .file("etc/sysctl.d/zz.conf", "-net.netfilter.nf_conntrack_max\n-net.nf_conntrack_max\n");
    assert_eq!(machine.audit().setting(MAX), None);
    assert!(machine.ids().contains(&"TAKEN_BACK"));
    FilePlan::new(machine.path(), &Want::new().max(50_003)).apply().expect("written");
    assert_eq!(machine.audit().setting(MAX).expect("set").number, Some(50_003));
}

#[test]
fn lines_as_systemd_reads_them() {
    let machine = Machine::new();
    machine.file("proc/sys/net/ipv4/conf/eth1/forwarding", "1\n");
    let text = "# comment\n; comment\n\n net.netfilter.nf_conntrack_max = 5 \n\
                net/netfilter/nf_conntrack_acct=1\n-net.ipv4.ip_forward=1\n\
                net.ipv4.conf.eth0/7.forwarding = 0\n-net.ipv4.conf.*.forwarding\nnonsense\n= 5\n\
                - net//netfilter/./nf_conntrack_events = 1 # one\n..net..nf_conntrack_max.=\n/../net/c=2";
    machine.file("etc/sysctl.d/a.conf", text);
    let found = machine.audit();
    let set: Vec<_> = found
        .settings
        .iter()
        .map(|set| (set.from.1, set.key.as_str(), set.value.as_str(), set.overridden.len()))
        .collect();
    assert_eq!(
        set,
        [
            // That of line 12 is refused.
            (4, "net.netfilter.nf_conntrack_max", "5", 0),
            (5, "net.netfilter.nf_conntrack_acct", "1", 0),
            (6, "net.ipv4.ip_forward", "1", 0),
            (7, "net.ipv4.conf.eth0/7.forwarding", "0", 0),
            (11, "net.netfilter.nf_conntrack_events", "1 # one", 0),
        ]
    );
    let seen = |id| {
        let of = found.findings.iter().filter(|finding| finding.id == id);
        of.map(|finding| finding.seen.as_str()).collect::<Vec<_>>()
    };
    let malformed = "/etc/sysctl.d/a.conf, line 9: neither a comment nor key = value";
    assert_eq!(seen("MALFORMED_LINE"), [malformed], "the first, and not line 10");
    assert!(seen("NOT_A_NUMBER")[0].starts_with("/etc/sysctl.d/a.conf, line 12: "));
}

/// Lines end with a line feed, a carriage return or a zero, or one of each. A plan keeps them all.
#[test]
fn ends_of_lines() {
    for (text, lines) in [
        ("", 0),
        ("#a\n", 1),
        ("#a\n\n#b\n", 3),
        ("#a\r\n#b\r#c\n\r\n", 4),
        ("#a\0\n#b\n\0", 3),
        ("#a\n#b\r\n\0\0", 3),
        ("\n\n", 2),
    ] {
        let machine = Machine::new();
        machine.file("etc/sysctl.d/99-nf_conntrack.conf", &format!("{text}{MAX} = 5\n#x"));
        let found = machine.audit();
        assert_eq!(found.setting(MAX).expect("set").from.1, lines + 1, "{text:?}");
        FilePlan::new(machine.path(), &Want::new().max(7)).apply().expect("written");
        let written = fs::read_to_string(machine.path().join("etc/sysctl.d/99-nf_conntrack.conf"));
        assert_eq!(written.expect("text"), format!("{text}#x\n{MAX} = 7\n"), "{text:?}");
    }
}

/// What a pattern makes of one interface, if nothing else sets it: its number, or why that is not known.
fn by_pattern(pattern: &str, interface: &str) -> Option<Result<i64, &'static str>> {
    let machine = Machine::new();
    machine
        .file(&format!("proc/sys/net/ipv4/conf/{interface}/forwarding"), "0\n")
        .file("etc/sysctl.d/a.conf", &format!("{pattern} = 7\n"));
    let found = machine.audit();
    let [setting] = &found.settings[..] else { return None };
    assert_eq!(setting.key, format!("net.ipv4.conf.{interface}.forwarding"));
    Some(setting.number.ok_or_else(|| setting.note.expect("a reason")))
}

#[test]
fn patterns_do_not_cross_a_slash() {
    for (pattern, name, is) in [
        ("net", "net", true),
        ("*", "eth0", true),
        ("ne*_*", "ne_max", true),
        ("n?t", "net", true),
        ("a*b*c", "aXbXbYc", true),
        ("a*b*c", "aXbXbY", false),
        ("net", "nets", false),
        ("n[a-f]t", "net", true),
        ("n[!a-f]t", "net", false),
        ("n[^g]t", "net", true),
        ("n[]e]t", "n]t", true),
        ("n[e-]t", "n-t", true),
        ("n[[:lower:]x]t", "net", true),
        ("n[[:upper:]]t", "net", false),
        ("n[e", "n[e", true),
        ("[a/b]*", "b]", false),
        (r"n\*t?", "n*ts", true),
        (r"n\*t?", "nats", false),
        (r"n[\]]t", "n]t", true),
        ("*_{acct,events}", "nf_events", true),
        ("*_{ac{c,k}t,events}x{,s}", "nf_acktxs", true),
        ("*_{acct,events", "nf_events", false),
    ] {
        // The bracket makes it a pattern in any case.
        let pattern = format!("net/ipv4/con[f]/{pattern}/forwarding");
        assert_eq!(by_pattern(&pattern, name), is.then_some(Ok(7)), "{pattern} {name}");
    }
    for (pattern, is) in [
        ("net/ipv4/*", false),
        ("net/ipv4?conf/n?t/forwarding", false),
        ("net/*/forwarding", false),
        ("net/ipv4/conf/*/*/forwarding", false),
        ("{net/ipv4,c}/conf/*/forwarding", true),
        ("net/../net/ipv4/conf/*/forwarding", false),
        ("net//./ipv4/conf/*/forwarding", true),
    ] {
        assert_eq!(by_pattern(pattern, "net"), is.then_some(Ok(7)), "{pattern}");
    }
    // With an equals sign it would be no key.
    for odd in ["a[[.a.]]", "a[[:nothing:]]", "a[a-[:digit:]]", "*\\", "a*\\"] {
        let pattern = format!("net/ipv4/conf/{odd}/forwarding");
        let found = by_pattern(&pattern, "abc");
        assert!(matches!(found, Some(Err(why)) if why.starts_with("its pattern has")), "{found:?}");
        assert_eq!(by_pattern(&pattern, "xbc"), if odd == "*\\" { found } else { None });
    }
    let machine = Machine::new();
    for (pattern, reaches) in [("net/n*/x?", true), ("net/i*/x?", false)] {
        machine.file("etc/sysctl.d/a.conf", &format!("{pattern} = 7\n"));
        let ids: &[&str] = if reaches { &["PATTERN_UNRESOLVED"] } else { &[] };
        assert_eq!(machine.ids(), ids, "{pattern}");
    }
}

/// Twelve stars took 15 seconds, and 900,000 the stack. The steps are counted beside the code.
#[test]
fn patterns_keep_nobody_busy() {
    let machine = Machine::new();
    machine.running(65_536, 16_384);
    let name = "net.netfilter.nf_conntrack_";
    let stars = [12, 24, 900_000].map(|stars| format!("{name}{}Z = 7\n", "*".repeat(stars)));
    let others = ["*n", "?", "[a-z]*", "{a,b}", "{", "[", "\\"];
    let others = others.map(|part| format!("{name}{}* = 7\n", part.repeat(100_000)));
    for text in stars.iter().chain(&others) {
        machine.file("etc/sysctl.d/a.conf", text);
        let found = machine.audit();
        // Too many choices are announced, and nothing else is set.
        assert!(
            found.setting(MAX).is_none_or(|max| max.number.is_none()),
            "{}",
            found.settings.len()
        );
    }
    machine.file("etc/sysctl.d/a.conf", &format!("{name}{} = 7\n", "*".repeat(900_000)));
    assert_eq!(machine.audit().setting(MAX).expect("set").number, Some(7));
}

#[test]
fn a_file_keeps_its_mode_its_bytes_and_its_links() {
    let machine = Machine::new();
    let path = machine.path().join("etc/sysctl.d/99-nf_conntrack.conf");
    machine.file("etc/sysctl.d/99-nf_conntrack.conf", "# a secret\r\nvm.swappiness=1");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a mode");
    FilePlan::new(machine.path(), &Want::new().max(77)).apply().expect("written");
    let mode = fs::metadata(&path).expect("a file").permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let text = fs::read_to_string(&path).expect("text");
    assert_eq!(text, format!("# a secret\r\nvm.swappiness=1\n{MAX} = 77\n"));

    // A link stays one, below the root.
    fs::rename(&path, machine.path().join("ours.conf")).expect("moved");
    machine.link("etc/sysctl.d/99-nf_conntrack.conf", "/ours.conf");
    FilePlan::new(machine.path(), &Want::new().max(78)).apply().expect("written");
    assert!(path.is_symlink());
    let text = fs::read_to_string(machine.path().join("ours.conf")).expect("text");
    assert!(text.ends_with("= 78\n") && text.starts_with("# a secret"), "{text}");

    // What is no text would not be the same afterwards.
    fs::write(machine.path().join("ours.conf"), b"# caf\xe9\n").expect("a file");
    let error = FilePlan::new(machine.path(), &Want::new().max(79)).apply().expect_err("not kept");
    assert!(error.to_string().contains("no text"), "{error}");
    assert_eq!(fs::read(machine.path().join("ours.conf")).expect("a file"), b"# caf\xe9\n");

    // A file of the same name elsewhere would be hidden, with all else that it sets.
    let machine = Machine::new();
    machine.file("usr/lib/sysctl.d/99-nf_conntrack.conf", "net.ipv4.ip_forward = 1\n");
    FilePlan::new(machine.path(), &Want::new().max(80)).apply().expect("written");
    assert_eq!(machine.audit().setting("ip_forward").expect("set").number, Some(1));
    // A name after all others.
    machine.file("etc/sysctl.d/~~.conf", &format!("{MAX} = 5\n"));
    for max in [81, 82] {
        FilePlan::new(machine.path(), &Want::new().max(max)).apply().expect("written");
        assert_eq!(machine.audit().setting(MAX).expect("set").number, Some(max as i64));
    }
}

#[test]
fn many_may_apply_at_once() {
    let machine = Machine::new();
    let busy = |error: &ctnetlink::Error| {
        let kind = error.kind();
        matches!(kind, ctnetlink::ErrorKind::Setting { source, .. }
            if source.kind() == std::io::ErrorKind::ResourceBusy)
    };
    for round in 1..=15 {
        std::thread::scope(|scope| {
            for name in ["udp_timeout", "icmp_timeout", "gre_timeout", "generic_timeout"] {
                let path = machine.path();
                scope.spawn(move || {
                    let want = Want::new().setting(name, round).max(round.unsigned_abs());
                    // Who comes second plans again.
                    while let Err(error) = FilePlan::new(path, &want).apply() {
                        assert!(busy(&error), "{error}");
                    }
                });
            }
        });
        let found = machine.audit();
        assert_eq!(found.settings.len(), 5, "nobody's line is lost");
        assert!(found.settings.iter().all(|setting| setting.number == Some(round)), "{found:?}");
    }
    assert_eq!(machine.snapshot().len(), 2, "{:?}", machine.snapshot());
}
