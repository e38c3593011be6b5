//! The attributes of an entry, as a kernel would send them: read, written again, hidden, and printed in
//! every form.

#![no_main]

use ctnetlink::files::rows::Record;
use ctnetlink::files::snapshot::Redactor;
use ctnetlink::files::text::parse_line;
use ctnetlink::files::text::{Line, SaveLine};
use ctnetlink::flow::{Flow, FlowRef};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(flow) = FlowRef::parse(bytes) else { return };
    let owned = flow.to_owned();
    let again = owned.to_bytes();
    // What one name or many unknown attributes make too long is refused.
    if let Ok(read) = FlowRef::parse(&again) {
        assert_eq!(read.to_owned(), owned);
    }
    let record = Record::from(&flow);
    if let Ok(flow) = Flow::try_from(&record) {
        let bytes = flow.to_bytes();
        if let Ok(flow) = FlowRef::parse(&bytes) {
            let csv = Record::from(&flow).csv().to_string();
            assert_eq!(csv.split(',').count(), record.csv().to_string().split(',').count());
        }
    }
    let line = Line::of(&flow).extended(true).id(true).to_string();
    if let Ok(read) = parse_line(&line) {
        assert_eq!(read.original.source, owned.original.source);
    }
    assert!(SaveLine::of(&flow).to_string().starts_with("-A -t "));
    let mut key = [0; 32];
    key[0] = 1;
    let redactor = Redactor::new(key).expect("a key");
    let mut hidden = owned.clone();
    redactor.flow(&mut hidden);
    redactor.undo(&mut hidden);
    assert_eq!(
        (hidden.original, hidden.reply, hidden.master),
        (owned.original, owned.reply, owned.master)
    );
});
