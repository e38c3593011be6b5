//! Modules that are not there, come by themselves, or come with options; and what was set before.

use std::fs;
use std::path::Path;

use ctnetlink::kernel::Version;
use ctnetlink::operate::persist::{Module, audit};
use ctnetlink::operate::tune::sizing::{Sizes, defaults, with_hashsize};
use ctnetlink::operate::tune::{Settings, sizing};
use ctnetlink::{ErrorKind, Reader};

use crate::machine::{document, is_loaded, load, memory, output, said, setting, unload};
use crate::support::{Skip, Test, need_tool, run};

pub const TESTS: &[(&str, Test)] = &[
    ("programs_name_the_module_that_is_missing", programs_name_the_module_that_is_missing),
    ("settings_name_the_module_that_is_missing", settings_name_the_module_that_is_missing),
    ("what_reads_a_table_loads_the_modules", what_reads_a_table_loads_the_modules),
    ("what_reads_settings_loads_nothing", what_reads_settings_loads_nothing),
    ("the_kernel_takes_the_sizes_we_compute", the_kernel_takes_the_sizes_we_compute),
    ("a_hashsize_makes_the_sizes_we_compute", a_hashsize_makes_the_sizes_we_compute),
    ("a_setting_before_its_module_is_lost", a_setting_before_its_module_is_lost),
    ("what_persist_writes_lasts", what_persist_writes_lasts),
];

/// The program that loads modules for the kernel.
const LOADER: &str = "/proc/sys/kernel/modprobe";

/// A kernel that cannot load modules by itself, as long as this lives.
struct NoLoader(String);

impl NoLoader {
    fn new() -> Result<Self, Skip> {
        unload()?;
        let loader = fs::read_to_string(LOADER)
            .map_err(|_| Skip::Version("this kernel loads no modules".to_owned()))?;
        fs::write(LOADER, "/nowhere/modprobe").expect("written");
        Ok(Self(loader))
    }
}

impl Drop for NoLoader {
    fn drop(&mut self) {
        let _ = fs::write(LOADER, self.0.trim());
    }
}

/// A file that goes when this is dropped.
struct Written(String);

impl Written {
    fn new(path: &str, text: &str) -> Self {
        fs::create_dir_all(Path::new(path).parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("written");
        Self(path.to_owned())
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn kernel() -> Version {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("a file");
    release.parse().expect("a version")
}

fn sizes() -> Sizes {
    let number = |name| u64::try_from(setting(name)).expect("a size");
    Sizes { max: number("max"), buckets: number("buckets") }
}

fn programs_name_the_module_that_is_missing() -> Result<(), Skip> {
    const REMEDY: &str = "modprobe nf_conntrack_netlink";
    let _none = NoLoader::new()?;
    for (program, arguments) in [
        ("table_stats", &[][..]),
        ("top_sources", &[]),
        ("list_flows", &[]),
        ("states", &[]),
        ("top_sources", &["--demo", "100"]),
    ] {
        let (code, text) = said(program, arguments);
        assert_eq!(code, Some(1), "{program}: {text}");
        assert!(text.contains(REMEDY), "{program}: {text}");
        assert!(!text.contains("os error") && !text.contains("permitted"), "{program}: {text}");
    }
    let (code, text) = said("netns", &["list"]);
    assert_eq!(code, Some(0));
    assert!(text.contains("? in 1 namespace: ") && text.contains(REMEDY), "{text}");
    // What can be seen without a table is better than nothing.
    let (code, text) = said("doctor", &["--interval", "0"]);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("not seen: ") && text.contains(REMEDY), "{text}");
    let error = Reader::open().and_then(|mut table| table.limits()).expect_err("no module");
    assert!(matches!(error.kind(), ErrorKind::NotSupported { .. }), "{error}");
    assert!(!is_loaded("nf_conntrack"));
    Ok(())
}

fn settings_name_the_module_that_is_missing() -> Result<(), Skip> {
    unload()?;
    for arguments in [&["get"][..], &["get", "max"], &["set", "max=1000"]] {
        let (code, text) = said("tune", arguments);
        assert_eq!(code, Some(1), "{arguments:?}: {text}");
        assert!(text.contains("modprobe nf_conntrack"), "{arguments:?}: {text}");
    }
    Ok(())
}

fn what_reads_a_table_loads_the_modules() -> Result<(), Skip> {
    unload()?;
    let mut table = Reader::open().expect("a table");
    assert_eq!(table.count().expect("a count"), 0);
    assert!(is_loaded("nf_conntrack_netlink"));
    assert!(!Settings::here().all().expect("settings").is_empty());
    drop(table);
    for (program, arguments) in
        [("table_stats", &[][..]), ("netns", &["list"]), ("top_sources", &[])]
    {
        unload()?;
        let output = output(program, arguments);
        assert!(output.status.success(), "{program}");
        assert!(is_loaded("nf_conntrack_netlink"), "{program}");
    }
    Ok(())
}

fn what_reads_settings_loads_nothing() -> Result<(), Skip> {
    unload()?;
    let found = audit("/");
    assert_eq!(found.module, Module::NotLoaded);
    assert!(Settings::here().all().is_err());
    assert_eq!(Reader::buckets(), None);
    let (code, text) = said("persist", &["audit"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(!is_loaded("nf_conntrack"));
    Ok(())
}

fn the_kernel_takes_the_sizes_we_compute() -> Result<(), Skip> {
    unload()?;
    load();
    assert_eq!(sizes(), defaults(kernel(), memory("MemTotal")));
    Ok(())
}

fn a_hashsize_makes_the_sizes_we_compute() -> Result<(), Skip> {
    unload()?;
    let file = "/etc/modprobe.d/ctnetlink-machine.conf";
    let _written = Written::new(file, "options nf_conntrack hashsize=5000\n");
    let found = audit("/");
    let said = found.findings.iter().find(|finding| finding.id == "HASHSIZE_SETS_MAX");
    let said = &said.expect("a finding").seen;
    load();
    let computed = with_hashsize(5000);
    assert_eq!(sizes(), computed);
    assert!(said.contains(&format!("nf_conntrack_max {} at boot", computed.max)), "{said}");
    Ok(())
}

/// Applies what `/etc/sysctl.d` says, and says whether all of it could be.
fn apply_settings() -> bool {
    let files = fs::read_dir("/etc/sysctl.d").into_iter().flatten().flatten();
    let mut files: Vec<_> = files.map(|file| file.path()).collect();
    files.sort();
    let set = |line: &str| -> bool {
        let Some((name, value)) = line.split_once('=') else { return true };
        let path = format!("/proc/sys/{}", name.trim().replace('.', "/"));
        fs::write(path, value.trim()).is_ok()
    };
    let texts = files.iter().map(|file| fs::read_to_string(file).expect("a file"));
    let texts: Vec<_> = texts.collect();
    // The rest is applied even if one of them fails.
    let lines = texts.iter().flat_map(|text| text.lines());
    let lines = lines.filter(|line| !line.trim().is_empty() && !line.starts_with(['#', ';', '-']));
    lines.map(set).fold(true, |all, one| all & one)
}

/// What a machine does when it boots, as far as it is about tracking: modules, then settings.
fn boot() -> Result<bool, Skip> {
    unload()?;
    for file in fs::read_dir("/etc/modules-load.d").into_iter().flatten().flatten() {
        let text = fs::read_to_string(file.path()).expect("a file");
        let names = text.lines().map(str::trim);
        for name in names.filter(|name| !name.is_empty() && !name.starts_with('#')) {
            run(&format!("modprobe {name}"));
        }
    }
    Ok(apply_settings())
}

fn a_setting_before_its_module_is_lost() -> Result<(), Skip> {
    need_tool("sh")?;
    unload()?;
    let setting_file = "/etc/sysctl.d/90-ctnetlink-machine.conf";
    let _written = Written::new(setting_file, "net.netfilter.nf_conntrack_max = 12345\n");
    let (code, document) = document("persist", &["audit"]);
    assert_eq!(code, Some(2), "{document}");
    let findings = document["findings"].as_array().expect("findings");
    let finding = findings.iter().find(|finding| finding["id"] == "SYSCTL_BEFORE_MODULE");
    let finding = finding.unwrap_or_else(|| panic!("{document}"));
    assert!(!boot()?, "there is nothing to set yet");
    load();
    assert_ne!(setting("max"), 12_345, "it was lost");

    let remedy = finding["commands"][0].as_str().expect("a command");
    let _list = Written::new("/etc/modules-load.d/nf_conntrack.conf", "");
    let typed = std::process::Command::new("sh").args(["-c", remedy]).status().expect("a shell");
    assert!(typed.success(), "{remedy}");
    assert!(boot()?, "all could be set");
    assert_eq!(setting("max"), 12_345);
    assert_eq!(said("persist", &["audit"]).0, Some(0));
    Ok(())
}

fn what_persist_writes_lasts() -> Result<(), Skip> {
    load();
    let before: Vec<_> = files().collect();
    let arguments = ["apply", "--max", "40000", "--buckets", "40000", "acct=1", "--yes"];
    let (code, text) = said("persist", &arguments);
    assert_eq!(code, Some(0), "{text}");
    // Later than what the audit warns of: the boot.
    let lasts = boot();
    let found = audit("/");
    let now = (sizes(), setting("acct"));
    for file in files().filter(|file| !before.contains(file)) {
        fs::remove_file(file).expect("gone");
    }
    assert!(lasts?, "all could be set");
    let buckets = sizing::rounded(40_000);
    assert_eq!(now, (Sizes { max: 40_000, buckets }, 1));
    assert!(found.findings.is_empty(), "{:?}", found.findings);
    unload()
}

/// The files that say what happens at boot.
fn files() -> impl Iterator<Item = std::path::PathBuf> {
    let folders = ["sysctl.d", "modules-load.d", "modprobe.d"].map(|name| format!("/etc/{name}"));
    let files = folders.into_iter().flat_map(|folder| fs::read_dir(folder).into_iter().flatten());
    files.flatten().map(|file| file.path())
}
