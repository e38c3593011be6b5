//! What was found to be wrong, on the screen.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use ctnetlink::escape::Escaped;
use ctnetlink::operate::finding::{Finding, Severity, worst};

/// The exit code that says how bad they are.
pub fn severity(findings: &[Finding]) -> ExitCode {
    match worst(findings) {
        Some(Severity::Critical) => ExitCode::from(2),
        Some(Severity::Warning) => ExitCode::from(1),
        Some(Severity::Info) | None => ExitCode::SUCCESS,
    }
}

/// Findings as a person reads them at three in the morning.
pub fn show(findings: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    let bold = Style::new().bold();
    for finding in findings {
        let colour = match finding.severity {
            Severity::Critical => AnsiColor::Red,
            Severity::Warning => AnsiColor::Yellow,
            Severity::Info => AnsiColor::Blue,
        };
        let colour = Style::new().bold().fg_color(Some(colour.into()));
        let severity = finding.severity.to_string().to_uppercase();
        writeln!(out, "\n{colour}{severity}{colour:#} {bold}{}{bold:#}", Escaped(&finding.seen))?;
        writeln!(out, "  why   {}", finding.why)?;
        writeln!(out, "  do    {}", Escaped(&finding.remedy))?;
        for command in &finding.commands {
            writeln!(out, "        $ {}", Escaped(command))?;
        }
        let source = if finding.source.is_empty() { "" } else { "; " };
        writeln!(out, "  id    {}{source}{}", finding.id, finding.source)?;
    }
    if findings.is_empty() {
        writeln!(out, "\nnothing is wrong")?;
    }
    Ok(())
}

/// Says for which machine the commands of findings are: those about a copy would change this one.
pub fn whose_commands(root: &Path, findings: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    if root != Path::new("/") && findings.iter().any(|finding| !finding.commands.is_empty()) {
        let root = Escaped(root.display());
        writeln!(
            out,
            "\nthe commands are for the machine that {root} is a copy of, not for this one"
        )?;
    }
    Ok(())
}
