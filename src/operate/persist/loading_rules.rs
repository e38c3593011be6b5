//! Whether settings are made after the module is there, and in time.

use super::boot::Assigned;
use super::files::Root;
use super::module::{Loader, Module};
use super::script::{self, ScriptSetting};
use super::setting_rules::unreadable;
use crate::operate::finding::Finding;

/// Where files say which modules are loaded early.
const LOADING: &str = "modules-load.d";

/// What else is in the file stays.
const LOAD_EARLY: &str = r"printf '\nnf_conntrack\n' >> /etc/modules-load.d/nf_conntrack.conf";

pub(super) fn judge(
    root: &Root,
    settings: &[Assigned],
    module: Module,
    loaders: &[Loader],
    findings: &mut Vec<Finding>,
) {
    let unlisted = root.unlisted(LOADING);
    findings.extend(unlisted.iter().map(|(directory, error)| unreadable(directory, error)));
    let (in_time, built_in) =
        (loaders.iter().any(|loader| loader.in_time), module == Module::BuiltIn);
    // What loads the module is not known if the names of these files are not. A loader that never runs does no harm
    // beside one that does.
    if !in_time && unlisted.is_empty() {
        findings.extend(loaders.iter().filter(|loader| !loader.runs).map(never_runs));
        let of_the_module =
            |setting: &&Assigned| !built_in && setting.key.contains("nf_conntrack_");
        let first = settings.iter().find(of_the_module);
        findings.extend(first.map(|setting| too_early(setting, loaders)));
    }
    scripts(root, in_time || built_in, findings);
}

fn never_runs(loader: &Loader) -> Finding {
    Finding::warning("LOADER_NEVER_RUNS",
        format!("{} is to load nf_conntrack, but never runs", loader.file),
        "a script has to be executable, and /etc/modules is read only through a link in modules-load.d",
        "use /etc/modules-load.d instead",
    )
    .command(LOAD_EARLY)
}

/// Nothing loads the module in time for this setting.
fn too_early(setting: &Assigned, loaders: &[Loader]) -> Finding {
    if let Some(loader) = loaders.iter().find(|loader| loader.runs) {
        return Finding::warning(
            "UNORDERED_LOADER",
            format!("{} loads nf_conntrack, in no order with the settings", loader.file),
            "if the settings are made first, there is nothing to set yet, and they are lost",
            "load it by /etc/modules-load.d, which systemd-sysctl.service waits for",
        )
        .command(LOAD_EARLY)
        .source("sysctl.d(5); systemd-sysctl.service: After=systemd-modules-load.service");
    }
    let (place, key) = (setting.place(), &setting.key);
    Finding::critical(
        "SYSCTL_BEFORE_MODULE",
        format!("{place}, sets {key}, but nothing loads nf_conntrack before that"),
        "there is nothing to set yet: a firewall or docker loads the module later, with defaults",
        "load the module early",
    )
    .command(LOAD_EARLY)
    .command("systemctl restart systemd-modules-load systemd-sysctl")
    .source("sysctl.d(5); systemd issue 43362")
}

/// Scripts that set settings while the system boots, in no fixed order with the rest.
fn scripts(root: &Root, early: bool, findings: &mut Vec<Finding>) {
    let mut seen: Vec<String> = Vec::new();
    for file in script::files(root) {
        match root.text(&file) {
            // One is often a link to another.
            Ok(text) if !seen.contains(&text) => {
                let runs = root.is_executable(&file);
                let set = script::settings(&text).into_iter();
                findings.extend(set.map(|setting| by_script(&file, &setting, runs, early)));
                seen.push(text);
            }
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                findings.push(unreadable(&file, &error));
            }
            _ => {}
        }
    }
}

/// What there is to do about a script.
const INSTEAD: &str =
    "set it in /etc/sysctl.d and load the module in /etc/modules-load.d; take the line out";

fn by_script(file: &str, setting: &ScriptSetting, runs: bool, early: bool) -> Finding {
    let ScriptSetting { line, name, value, .. } = setting;
    let what = format!("{file}, line {line}, sets nf_conntrack_{name} to {value}");
    let finding = if !runs || !setting.reached {
        let reason = if runs { "ends before that" } else { "is not executable" };
        Finding::warning(
            "LOADER_NEVER_RUNS",
            format!("{what}, but never does so: the script {reason}"),
            "a script has to be executable to be run at boot, and what comes after its exit 0 is not run",
            INSTEAD,
        )
    } else if early || setting.loaded {
        Finding::info(
            "SET_BY_SCRIPT",
            format!("{what}, late in the boot"),
            "until then, and whenever files are applied again, another value holds",
            "set it in /etc/sysctl.d, and take the line out",
        )
    } else {
        Finding::warning(
            "UNORDERED_LOADER",
            format!("{what}, in no order with whatever loads nf_conntrack"),
            "if the script runs before something loads the module, the setting is lost",
            INSTEAD,
        )
    };
    let finding = finding.source("sysctl.d(5); systemd-rc-local-generator(8)");
    // Anything but a number, a variable for example, is for the reader to look up.
    match (name.as_str(), value.parse::<u32>()) {
        (_, Err(_)) => finding,
        ("max" | "buckets", Ok(value)) => {
            finding.command(format!("persist apply --{name} {value} --yes"))
        }
        (name, Ok(value)) => finding.command(format!("persist apply {name}={value} --yes")),
    }
}
