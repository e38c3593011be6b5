//! A look at a table, and the files it becomes.

use std::path::Path;

use ctnetlink::aggregate::Aggregator;
use ctnetlink::files::TableFacts;
use ctnetlink::files::parquet::Partition;
use ctnetlink::files::rows::{Record, Rollup, Row, TableStatus};
use ctnetlink::flow::FlowRef;
use ctnetlink::origin::Origin;
use ctnetlink::{DumpOptions, Reader};

use crate::Options;
use crate::common::{self, Usage, wrong};
use crate::place::{Flows, Place, Written, finish};

/// A table as it is seen, once.
pub struct Look {
    place: Place,
    pub facts: TableFacts,
    rollup: Aggregator,
    flows: Option<Flows>,
    pub entries: u64,
}

impl Look {
    fn begin(mut facts: TableFacts, options: &Options) -> common::Result<Self> {
        let said = Origin { node: options.node.clone(), time: options.at, ..Origin::default() };
        facts.origin = said.or(facts.origin);
        let partition = Partition::of(&facts.origin).ok_or_else(|| {
            let missing = match facts.origin.time {
                None => "when it was: say --at",
                Some(_) => "of which node it is: say --node",
            };
            Usage(format!("the file does not say {missing}"))
        })?;
        let mut place = Place { root: options.root.clone(), partition, part: "part".to_owned() };
        match (&options.part, facts.origin.netns_inode) {
            (Some(part), _) => place.part.clone_from(part),
            // Two namespaces of a node are two files.
            (None, Some(inode)) if options.common.netns.is_some() || place.is_of_other(inode) => {
                place.part = format!("part-{inode}");
            }
            _ => {}
        }
        let flows = options.flows.then(|| Flows::begin(&place)).transpose()?;
        let rollup = Aggregator::new(&Rollup::query());
        Ok(Self { place, facts, rollup, flows, entries: 0 })
    }

    pub fn of_table(table: &mut Reader, options: &Options) -> common::Result<Self> {
        let facts = table.facts()?;
        let bar = common::progress::entries(facts.before)?;
        let mut look = Self::begin(facts, options)?;
        let mut dump = table.dump(DumpOptions::new())?;
        let mut malformed = 0;
        while let Some(batch) = dump.next_batch()? {
            for flow in batch.flows() {
                match flow {
                    Ok(flow) => look.take(&flow)?,
                    Err(_) => malformed += 1,
                }
            }
            bar.set_position(look.entries);
        }
        bar.finish_and_clear();
        let end = dump.end();
        look.facts.complete = Some(!end.interrupted && malformed == 0);
        look.facts.after = Some(table.limits()?.entries.into());
        Ok(look)
    }

    pub fn of_file(file: &Path, options: &Options) -> common::Result<Self> {
        let mut snapshot = common::from::open(file)?;
        let mut look = Self::begin(snapshot.facts().clone(), options)?;
        common::progress::each(&mut snapshot, |flow| look.take(flow))?;
        // A part of a table would take the place of the whole of it.
        let end = snapshot.end();
        common::from::outcome(file, &end)?;
        common::from::of_one_table(file, &end)?;
        if end.entries == 0 && end.complete.is_none() {
            return wrong(format_args!("{}: there is no entry in it", file.display()));
        }
        look.facts.after = snapshot.facts().after;
        look.facts.complete = end.complete;
        Ok(look)
    }

    fn take(&mut self, flow: &FlowRef<'_>) -> common::Result {
        self.entries += 1;
        self.rollup.record(flow);
        if let Some(flows) = &mut self.flows {
            flows.writer.push(Record::from(flow).observed(&self.facts.origin))?;
            flows.rows += 1;
        }
        Ok(())
    }

    /// Writes all files.
    pub fn files(&mut self) -> common::Result<Vec<Written>> {
        let rollup = std::mem::replace(&mut self.rollup, Aggregator::new(&Rollup::query()));
        let rollup = Rollup::of(&rollup.finish(), &self.facts.origin);
        let mut level = TableStatus::of(&self.facts);
        level.entries = level.entries.or(Some(self.entries));
        let mut files = vec![self.write("level", vec![level])?, self.write("rollup", rollup)?];
        if let Some(flows) = self.flows.take() {
            files.push(flows.finish(&self.facts)?);
        }
        Ok(files)
    }

    fn write<R: Row>(&self, table: &'static str, rows: Vec<R>) -> common::Result<Written> {
        let mut writer = self.place.create::<R>(table)?;
        let number = rows.len() as u64;
        for row in rows {
            writer.push(row)?;
        }
        finish(table, writer, number)
    }
}
