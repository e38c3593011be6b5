//! The words of the text form.

use super::Filter;
use crate::field::{FIELDS, Field};
use crate::flow::Status;

/// What a word stands for.
pub(super) enum Word {
    Field(Field),
    /// A condition by itself.
    Flag(Filter),
}

/// Words for a status bit that is set, or that is not.
pub(super) const FLAGS: &[(&str, Status, bool, &str)] = &[
    ("assured", Status::ASSURED, true, "not evicted early"),
    ("replied", Status::SEEN_REPLY, true, "packets went both ways"),
    ("unreplied", Status::SEEN_REPLY, false, "no packet came back"),
];

pub(super) fn find(name: &str) -> Option<Word> {
    let flag = FLAGS.iter().find(|(word, ..)| *word == name);
    if let Some(&(_, bit, set, _)) = flag {
        let filter = Filter::status(bit);
        return Some(Word::Flag(if set { filter } else { !filter }));
    }
    let words = FIELDS.iter().filter(|spec| !spec.word.is_empty() && !name.is_empty());
    let mut found = words.filter(|spec| [spec.word, spec.key, spec.alias].contains(&name));
    found.next().map(|spec| Word::Field(spec.field))
}

/// Every word, for a message.
pub(super) fn all() -> String {
    let fields = FIELDS.iter().map(|spec| spec.word).filter(|word| !word.is_empty());
    let all: Vec<_> = fields.chain(FLAGS.iter().map(|(word, ..)| *word)).collect();
    all.join(", ")
}

impl Filter {
    /// Examples of every condition of the text form with what they mean, for help texts.
    pub fn words() -> impl Iterator<Item = (&'static str, &'static str)> {
        const JOINED: &[(&str, &str)] = &[
            ("a b, a and b, a or b", "both; either, in parentheses where needed"),
            ("!a, not a, dport!=80", "the opposite"),
        ];
        let fields = FIELDS.iter().filter(|spec| !spec.example.is_empty());
        let fields = fields.map(|spec| (spec.example, spec.help));
        let flags = FLAGS.iter().map(|(word, _, _, help)| (*word, *help));
        fields.chain(flags).chain(JOINED.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_is_a_filter() {
        let mut seen = 0;
        for (examples, _) in Filter::words()
            .filter(|(examples, _)| !examples.starts_with(['a', '!']) || *examples == "assured")
        {
            for example in examples.split(", ") {
                let filter: Filter = example.parse().unwrap();
                assert!(!filter.is_everything(), "{example}");
                seen += 1;
            }
        }
        assert!(seen > 30, "{seen}");
    }
}
