//! Where a file belongs among those of a fleet.

use std::path::PathBuf;

use crate::export::Observation;

/// The folders of a file in Hive's layout, which query engines take for columns:
/// `dt=2026-11-21/hour=10/node=gw-1`.
///
/// ```
/// use ctnetlink::export::Observation;
/// use ctnetlink::parquet::Partition;
/// let seen = Observation {
///     at: "2026-11-21T10:12:15Z".parse().ok(),
///     node: Some("gw/1".into()),
///     netns_inode: None,
/// };
/// let partition = Partition::of(&seen).ok_or("neither where nor when")?;
/// assert_eq!(partition.path().to_str(), Some("dt=2026-11-21/hour=10/node=gw%2F1"));
/// # Ok::<(), &str>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    date: String,
    hour: u8,
    node: String,
}

impl Partition {
    /// The partition of what was seen; `None` if it does not say where and when.
    pub fn of(seen: &Observation) -> Option<Self> {
        let at = seen.at?;
        Some(Self { date: at.date(), hour: at.hour(), node: seen.node.clone()? })
    }

    /// The folders, to be joined to the root of the table.
    pub fn path(&self) -> PathBuf {
        let Self { date, hour, .. } = self;
        [format!("dt={date}"), format!("hour={hour:02}"), format!("node={}", self.escaped())]
            .iter()
            .collect()
    }

    /// The node's name without what means something in a path, escaped as Hive does it.
    fn escaped(&self) -> String {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let escape = |byte| {
            if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
        };
        let name: String = self.node.bytes().map(escape).collect();
        if name.is_empty() { "__HIVE_DEFAULT_PARTITION__".to_owned() } else { name }
    }
}
