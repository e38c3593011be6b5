//! A record out of JSON.

use crate::files::rows::Record;
use crate::flow::Flow;
use crate::origin::Origin;

/// The entry of a record, and where and when it was seen.
pub(super) fn parse(line: &str) -> Result<(Flow, Option<Origin>), String> {
    let record: Record = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let flow = Flow::try_from(&record).map_err(|error| error.to_string())?;
    Ok((flow, Some(record.origin())))
}
