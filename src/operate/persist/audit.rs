//! Which file sets what, whether it comes in time, and whether it is so now.

use std::path::Path;

use super::boot::{Boot, Refused, boot, is_forwarding, is_ours, setting_of, unreadable};
use super::conf;
use super::files::Root;
use super::lasting::quoted;
use super::module::{self, Loader, Module};
use super::number::Refusal;
use super::script;
use super::tree::Tree;
use crate::kernel::Version;
use crate::operate::finding::{Finding, Severity};
use crate::operate::tune::sizing::{self, Sizes};

/// Where files say which modules are loaded early.
const LOADING: &str = "modules-load.d";

/// What the files below a root say about the table's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Audit {
    /// Every setting of the table that a file sets, and `net.ipv4.ip_forward` and its like.
    pub settings: Vec<Assigned>,
    /// How the kernel has the module.
    pub module: Module,
    /// What loads it at boot.
    pub loaders: Vec<Loader>,
    /// What is wrong, the worst first.
    pub findings: Vec<Finding>,
}

/// A setting that a file sets.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Assigned {
    /// Its name with dots, `net.netfilter.nf_conntrack_max`.
    pub key: String,
    /// The value that wins, as the file has it.
    pub value: String,
    /// The number the kernel makes of it: 64 of `0x40`, 32 of `040`, 12 of `12 # comment`. `None` if the kernel refuses
    /// the value, or kernels differ: see [`note`](Self::note).
    pub number: Option<i64>,
    /// Why there is no number.
    pub note: Option<&'static str>,
    /// The file and line that set it.
    pub from: (String, usize),
    /// Files and lines that set it earlier, and are overridden.
    pub overridden: Vec<(String, usize)>,
    /// What it is now; `None` if that cannot be read.
    pub live: Option<i64>,
    /// The name by which the value that wins was set: some settings have two.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(super) name: String,
    /// Its file below `/proc/sys`.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(super) path: String,
    /// Whether its value takes effect, or may: it does not if the kernel refuses every value.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(super) counts: bool,
}

/// Reads what the files below `root` say: `/` is this machine, another directory a copy of one.
///
/// ```no_run
/// let audit = ctnetlink::operate::persist::audit("/");
/// for finding in &audit.findings {
///     println!("{}: {}. {}", finding.severity, finding.seen, finding.remedy);
/// }
/// ```
///
/// Files are read as systemd-sysctl reads them (compared with 252): by name over `/etc`, `/run`, `/usr/local/lib` and
/// `/usr/lib`, patterns and exclusions included, and values as the kernel reads them. If files alone do not decide
/// something, a finding or a [`note`](Assigned::note) says so. Settings on the kernel's command line and in credentials
/// are not looked at.
///
/// procps' `sysctl --system` (4.0.2) is another program: it writes each line in turn, so an earlier value stays if a
/// later one is refused or canceled. It knows no braces in patterns, and it follows `..`. It also reads
/// `/etc/sysctl.conf`, at the end.
pub fn audit(root: impl AsRef<Path>) -> Audit {
    let root = Root::new(root.as_ref());
    let mut findings = Vec::new();
    for (directory, error) in ["sysctl.d", LOADING].iter().flat_map(|name| root.unlisted(name)) {
        findings.push(unreadable(&directory, &error));
    }
    let mut boot = boot(&root, &mut findings);
    for setting in &mut boot.settings {
        let text = root.text(&format!("/proc/sys/{}", setting.path));
        setting.live = text.ok().and_then(|text| text.trim().parse().ok());
    }
    values(&boot, &mut findings);
    let settings = boot.settings;
    let (module, loaders) = (Module::of(&root), module::loaders(&root));
    for setting in &settings {
        drift(setting, &mut findings);
    }
    // What loads the module is not known if the names of these files are not.
    if root.unlisted(LOADING).is_empty() {
        boot_order(&settings, module, &loaders, &mut findings);
    }
    script::judge(&Tree::new(root.path()), module, &loaders, &mut findings);
    unread(&root, &settings, &mut findings);
    ratio(&root, &settings, module, &mut findings);
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    Audit { settings, module, loaders, findings }
}

impl Audit {
    /// The setting of this name, if a file sets it: `nf_conntrack_max`, or with all its dots.
    pub fn setting(&self, name: &str) -> Option<&Assigned> {
        let is_it = |key: &str| key == name || key.rsplit('.').next() == Some(name);
        self.settings.iter().find(|setting| is_it(&setting.key))
    }
}

/// Values that do not take effect, or may not.
fn values(boot: &Boot, findings: &mut Vec<Finding>) {
    for Refused { path, key, value, from: (file, line), why } in &boot.refused {
        let kept = boot.settings.iter().find(|setting| setting.path == *path && setting.counts);
        let default = if is_forwarding(path) { "what ip_forward is" } else { "its default" };
        let kept = kept.map_or(default.to_owned(), |kept| {
            format!("{:?} of {}, line {}", kept.value, kept.from.0, kept.from.1)
        });
        let (id, remedy) = match why {
            Refusal::NoNumber => ("NOT_A_NUMBER", "write a number"),
            Refusal::OutOfRange => ("VALUE_REFUSED", "write a number that the kernel accepts"),
            Refusal::ReadOnly => ("VALUE_REFUSED", "take the line out"),
        };
        findings.push(Finding::new(
            id,
            Severity::Critical,
            format!("{file}, line {line}: {key} = {value:?}: {}; it keeps {kept}", why.text()),
            "a value that the kernel refuses changes nothing",
            remedy,
        ));
    }
    for setting in boot.settings.iter().filter(|setting| setting.counts) {
        let (Some(why), (file, line)) = (setting.note, &setting.from) else { continue };
        findings.push(Finding::new(
            "VALUE_UNCERTAIN",
            Severity::Info,
            format!(
                "{file}, line {line}: what {} = {:?} does is not known",
                setting.key, setting.value
            ),
            why,
            "write a number that every kernel accepts, and the name of the setting, not a pattern",
        ));
    }
}

/// Whether what a file says is so.
fn drift(setting: &Assigned, findings: &mut Vec<Finding>) {
    let Assigned { key, live: Some(live), from: (file, _), .. } = setting else { return };
    let Some(wanted) = setting.number else { return };
    // Whatever changes forwarding as a whole sets it for each interface.
    if key.starts_with("net.ipv4.conf.") {
        return;
    }
    let sized = ["nf_conntrack_max", "nf_conntrack_buckets"];
    let is_size = sized.iter().any(|name| key.ends_with(name));
    if *live == wanted {
        return;
    }
    findings.push(if is_size && *live > wanted {
        Finding::new(
            "RAISED",
            Severity::Info,
            format!("{key} is {live}, more than the {wanted} of {file}"),
            "somebody raises it after boot: kube-proxy does, and never lowers it",
            "nothing, or write into the file what you want it to be",
        )
        .source("kubernetes, cmd/kube-proxy/app/conntrack.go")
    } else if key.ends_with("forward") || key.ends_with("forwarding") {
        // To turn it off because a file says so may cut containers off.
        let drift = Finding::new(
            "DRIFT",
            Severity::Warning,
            format!("{key} is {live}, and {file} says {wanted}"),
            "the file was not applied, or somebody has set it since: docker turns it on when it starts",
            "make the file say what this machine needs: the next boot applies it",
        );
        if wanted == 0 { drift } else { drift.command(format!("sysctl -w {}={wanted}", quoted(key))) }
    } else {
        Finding::new(
            "DRIFT",
            Severity::Warning,
            format!("{key} is {live}, and {file} says {wanted}"),
            "the file was not applied, or somebody has set it since",
            "apply the files again, and see whether it lasts until the next boot",
        )
        .command(format!("sysctl -w {}={wanted}", quoted(key)))
    });
}

/// What else is in the file stays.
const LOAD_EARLY: &str = r"printf '\nnf_conntrack\n' >> /etc/modules-load.d/nf_conntrack.conf";

/// Whether the module is there when its settings are made.
fn boot_order(
    settings: &[Assigned],
    module: Module,
    loaders: &[Loader],
    findings: &mut Vec<Finding>,
) {
    // One that is of no use does no harm beside one that is.
    let early = loaders.iter().any(|loader| loader.in_time);
    for loader in loaders.iter().filter(|loader| !loader.runs && !early) {
        findings.push(
            Finding::new(
                "LOADER_NEVER_RUNS",
                Severity::Warning,
                format!("{} is to load nf_conntrack, but never runs", loader.file),
                "a script has to be executable, and /etc/modules is read only through a link in \
                 modules-load.d",
                "use /etc/modules-load.d instead",
            )
            .command(LOAD_EARLY),
        );
    }
    let of_the_module = |setting: &&Assigned| setting.key.contains("nf_conntrack_");
    let Some(setting) = settings.iter().find(of_the_module) else { return };
    if module == Module::BuiltIn || early {
        return;
    }
    if let Some(loader) = loaders.iter().find(|loader| loader.runs) {
        findings.push(
            Finding::new(
                "UNORDERED_LOADER",
                Severity::Warning,
                format!("{} loads nf_conntrack, in no order with the settings", loader.file),
                "if the settings are made first, there is nothing to set yet, and they are lost",
                "load it by /etc/modules-load.d, which systemd-sysctl.service waits for",
            )
            .command(LOAD_EARLY)
            .source("sysctl.d(5); systemd-sysctl.service: After=systemd-modules-load.service"),
        );
        return;
    }
    let (file, line) = &setting.from;
    findings.push(
        Finding::new(
            "SYSCTL_BEFORE_MODULE",
            Severity::Critical,
            format!(
                "{file}, line {line}, sets {}, but nothing loads nf_conntrack before that",
                setting.key
            ),
            "at boot there is nothing to set yet; the module comes later, with the first firewall \
             rule or with docker, and has its defaults",
            "load the module early",
        )
        .command(LOAD_EARLY)
        .command("systemctl restart systemd-modules-load systemd-sysctl")
        .source("sysctl.d(5); systemd issue 43362"),
    );
}

/// `/etc/sysctl.conf` is read at boot only through a link.
fn unread(root: &Root, settings: &[Assigned], findings: &mut Vec<Finding>) {
    const FILE: &str = "/etc/sysctl.conf";
    let own = root.resolve(FILE).ok();
    let files = root.configuration("sysctl.d");
    if files.iter().any(|file| !file.masked && root.resolve(&file.path).ok() == own) {
        return;
    }
    let (lines, _) = conf::parse(&root.read(FILE).unwrap_or_default());
    for line in lines.iter().filter(|line| is_ours(&line.key)) {
        let path = setting_of(&line.key);
        let key = conf::dotted(path);
        if line.value.is_some() && !settings.iter().any(|setting| setting.path == path) {
            findings.push(
                Finding::new(
                    "NOT_READ_AT_BOOT",
                    Severity::Critical,
                    format!(
                        "{FILE}, line {}, sets {key}; systemd does not read that file",
                        line.line
                    ),
                    "it works with sysctl -p, and is gone after a boot",
                    "move it to /etc/sysctl.d",
                )
                .source("sysctl.d(5); Debian 13 has no link /etc/sysctl.d/99-sysctl.conf any more"),
            );
        }
    }
}

/// Whether there are buckets for as many entries as are allowed.
fn ratio(root: &Root, settings: &[Assigned], module: Module, findings: &mut Vec<Finding>) {
    let live = |name: &str| -> Option<u64> {
        root.text(&format!("/proc/sys/net/netfilter/{name}")).ok()?.trim().parse().ok()
    };
    let set = |name: &str| -> Option<u64> {
        let setting = settings.iter().find(|setting| setting.key.ends_with(name))?;
        setting.number.and_then(|number| u64::try_from(number).ok())
    };
    let given = module::hashsize(root);
    let buckets = set("nf_conntrack_buckets").or(given.as_ref().map(|(_, size)| *size));
    if let (Some((file, hashsize)), None) = (&given, set("nf_conntrack_max")) {
        findings.push(
            Finding::new(
                "HASHSIZE_SETS_MAX",
                Severity::Info,
                format!(
                    "{file} says hashsize={hashsize}, which makes nf_conntrack_max {} at boot",
                    sizing::with_hashsize(*hashsize).max
                ),
                "a hashsize that is given makes the limit eight times as many entries",
                "set nf_conntrack_max in sysctl.d, too, if that is not what you want",
            )
            .source("nf_conntrack_init_start: max_factor = 8"),
        );
    }
    let Some(max) = set("nf_conntrack_max").or_else(|| live("nf_conntrack_max")) else { return };
    let Some(buckets) = buckets.or_else(|| live("nf_conntrack_buckets")) else { return };
    // Without a release nothing newer can be presumed than what everybody has by now.
    let release = root.text("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel = release.trim().parse().unwrap_or(Version::new(5, 15));
    findings.extend(ratio_of(kernel, Sizes { max, buckets }, module));
}

/// What is wrong with these sizes together, if anything is.
pub(crate) fn ratio_of(kernel: Version, sizes: Sizes, module: Module) -> Option<Finding> {
    let Sizes { max, buckets } = sizes;
    let (load, capacity) = (sizing::load(max, buckets), sizing::capacity(kernel, sizes));
    if max == 0 || load <= 8.0 {
        return None;
    }
    let modern = kernel >= Version::new(5, 15);
    let severity = if capacity < max { Severity::Critical } else { Severity::Warning };
    let limited = if capacity < max {
        format!("; entries are refused from about {capacity} on")
    } else {
        String::new()
    };
    let (least, good) = (max.div_ceil(12), sizing::rounded(max));
    let finding = Finding::new(
        "MAX_WITHOUT_BUCKETS",
        severity,
        format!(
            "nf_conntrack_max is {max} with {buckets} buckets: chains of {load:.0} when it is full{limited}"
        ),
        if modern {
            "every packet searches a chain, and since Linux 5.15 an entry is refused when its chain \
             is too long (chaintoolong), long before the limit"
        } else {
            "every packet searches a chain: a long one makes all of them slow"
        },
        format!(
            "{good} buckets make chains of 2; {} are the least that hold {max} entries. A change at \
             run time makes packets wait: do it off-peak",
            sizing::rounded(least)
        ),
    )
    .command(sizing::set_buckets(kernel, good))
    .source("commits d532bcd0b269, d7e7747ac5c2 and c77737b736ce; measured on Linux 6.18");
    Some(match module {
        Module::BuiltIn => {
            finding.command(format!("# kernel command line: nf_conntrack.hashsize={good}"))
        }
        _ => finding.command(format!(
            "printf '\\noptions nf_conntrack hashsize={good}\\n' >> /etc/modprobe.d/nf_conntrack.conf"
        )),
    })
}
