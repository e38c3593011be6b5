//! A capture with other addresses.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ctnetlink::files::capture::Recorder;
use ctnetlink::files::snapshot::Redactor;

use crate::Options;
use crate::common::{self, Usage, wrong};
use crate::convert::is_named_otherwise;
use crate::output::Output;
use crate::save::Written;

/// What is to be hidden.
#[derive(clap::Args)]
#[command(after_help = "\
Networks stay networks: two addresses have as long a prefix in common afterwards as before, so source/24 makes the
same groups. So whoever recognises one flow knows that address, and of the others how much they have in common
with it: show such a file to those who may know that. Ports, marks, labels, helpers, times, counters and the
kernel's release stay; the names of the machine and the namespace, security contexts, and what this program does
not know are left out.")]
pub struct Arguments {
    /// The file to read, in any form; - for the standard input
    from: PathBuf,

    /// The capture to write, which must not be there yet; one that ends in .zst is compressed; - for the
    /// standard output
    to: PathBuf,

    /// The key, 64 hexadecimal digits in a file, which is made if it is not there: with the same key the same
    /// addresses come out of every file. Whoever has it can turn them back. Without it, a new one is used
    /// and forgotten
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,

    /// Turn back what was redacted by the key
    #[arg(long, requires = "key")]
    undo: bool,
}

pub fn run(options: &Options, arguments: &Arguments) -> common::Result {
    if is_named_otherwise(&arguments.to) {
        return wrong("what is written is a capture: name it so, and convert it");
    }
    let mut snapshot = common::from::open(&arguments.from)?;
    let key = match &arguments.key {
        Some(file) => key_of(file, !arguments.undo)?,
        None => random()?,
    };
    let redactor = Redactor::new(key).map_err(|error| Usage(error.to_string()))?;
    let mut facts = snapshot.facts().clone();
    (facts.origin.node, facts.origin.netns_inode, facts.complete) = (None, None, None);
    let mut recorder = Recorder::new(Output::create(&arguments.to, false)?, &facts)?;
    let mut entries = 0;
    common::progress::each(&mut snapshot, |flow| {
        let mut flow = flow.to_owned();
        if arguments.undo {
            redactor.undo(&mut flow);
        } else {
            redactor.flow(&mut flow);
        }
        entries += 1;
        Ok(recorder.entry(flow.original.family(), &flow.to_bytes())?)
    })?;
    let end = snapshot.end();
    facts.complete = end.complete;
    if facts.complete == Some(true) {
        recorder.done()?;
    }
    Written {
        file: arguments.to.display().to_string(),
        entries,
        undecided: 0,
        malformed: end.malformed,
        size: recorder.finish(&facts)?.finish()?,
        complete: facts.complete,
    }
    .tell(options)?;
    common::from::outcome(&arguments.from, &end)
}

/// 32 bytes of the kernel's.
fn random() -> common::Result<[u8; 32]> {
    let mut key = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut key)?;
    Ok(key)
}

/// The key in a file; one that is made, if there is no file, and `make`.
fn key_of(file: &Path, make: bool) -> common::Result<[u8; 32]> {
    if make && !file.exists() {
        let key = random()?;
        // For the owner's eyes.
        let mut new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
        let digits: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(new, "{digits}")?;
        new.sync_all()?;
        return Ok(key);
    }
    let text = std::fs::read_to_string(file)
        .map_err(|error| Usage(format!("--key {}: {error}", file.display())))?;
    let digits = text.trim();
    let byte = |index: usize| {
        let pair = digits.get(2 * index..2 * index + 2)?;
        u8::from_str_radix(pair, 16).ok().filter(|_| !pair.contains('+'))
    };
    let bytes: Option<Vec<u8>> = (0..32).map(byte).collect();
    let key = bytes.filter(|_| digits.len() == 64).and_then(|bytes| bytes.try_into().ok());
    let wrong = || Usage(format!("--key {}: 64 hexadecimal digits are a key", file.display()));
    Ok(key.ok_or_else(wrong)?)
}
