//! Which file of `src` uses which, by the paths that stand in them.

use std::collections::{BTreeMap, BTreeSet};

/// A path of names: `["crate", "flow", "Tuple"]`.
type Names = Vec<String>;

/// The files of `src` by their modules: the code of each, without comments, text and tests.
pub struct Graph {
    code: BTreeMap<String, String>,
    /// What modules export again: names, and the paths they stand for.
    exports: BTreeMap<String, BTreeMap<String, Names>>,
}

impl Graph {
    pub fn new(code: BTreeMap<String, String>) -> Self {
        let exports = code.iter().map(|(module, text)| {
            let uses = text.match_indices("pub use ").chain(text.match_indices("pub(crate) use "));
            let paths = uses.flat_map(|(at, word)| paths(&text[at + word.len()..]).0);
            let named = paths.filter_map(|path| Some((path.last()?.clone(), path)));
            (module.clone(), named.collect())
        });
        let exports = exports.collect();
        Self { code, exports }
    }

    /// The module a path leads to, from another one.
    fn resolve(&self, from: &str, path: &[String], depth: usize) -> String {
        let mut at = from.to_owned();
        let mut rest = path;
        while let Some((first, others)) = rest.split_first() {
            let child = join(&at, first);
            match first.as_str() {
                "crate" => at.clear(),
                "super" => at.truncate(at.rfind("::").unwrap_or(0)),
                "self" => {}
                _ if self.code.contains_key(&child) => at = child,
                name => match self.exports.get(&at).and_then(|names| names.get(name)) {
                    Some(path) if depth < 8 => return self.resolve(&at, path, depth + 1),
                    _ => return at,
                },
            }
            rest = others;
        }
        at
    }

    /// The modules that a module uses.
    fn used(&self, module: &str, text: &str) -> BTreeSet<String> {
        let text = without_exports(text);
        // The children of a folder need no word before them.
        let inside =
            |name: &String| join(module, name.rsplit("::").next().unwrap_or(name)) == *name;
        let children = self.code.keys().filter(|name| inside(name) && *name != module);
        let children = children.map(|name| name.rsplit("::").next().unwrap_or(name));
        let starts = ["crate", "super", "self"].into_iter().chain(children);
        let mut used = BTreeSet::new();
        for start in starts.map(|name| format!("{name}::")) {
            let whole = |at: &usize| {
                !text[..*at].ends_with(|c: char| c.is_alphanumeric() || "_:".contains(c))
            };
            for at in text.match_indices(&start).map(|(at, _)| at).filter(whole) {
                let (found, _) = paths(&text[at..]);
                used.extend(found.iter().map(|path| self.resolve(module, path, 0)));
            }
        }
        used.remove(module);
        used
    }

    /// A circle of files, if there is one.
    pub fn circle(&self) -> Option<Vec<String>> {
        let used = |(module, text): (&String, &String)| (module.clone(), self.used(module, text));
        let mut edges: BTreeMap<_, _> = self.code.iter().map(used).collect();
        // What uses nothing that is left is in no circle.
        loop {
            let left: BTreeSet<String> = edges.keys().cloned().collect();
            let before = edges.len();
            edges.retain(|_, used| used.iter().any(|name| left.contains(name)));
            if edges.len() == before {
                break;
            }
        }
        let mut at = edges.keys().next()?.clone();
        let mut way = Vec::new();
        while !way.contains(&at) {
            way.push(at.clone());
            let next = edges[&at].iter().find(|name| edges.contains_key(*name));
            at = next?.clone();
        }
        let start = way.iter().position(|name| *name == at)?;
        Some(way.split_off(start))
    }
}

fn join(module: &str, name: &str) -> String {
    if module.is_empty() { name.to_owned() } else { format!("{module}::{name}") }
}

fn without_exports(text: &str) -> String {
    let mut text = text.to_owned();
    for word in ["pub use ", "pub(crate) use ", "pub(super) use "] {
        while let Some(at) = text.find(word) {
            let end = text[at..].find(';').map_or(text.len(), |end| at + end);
            text.replace_range(at..end, "");
        }
    }
    text
}

/// The paths at the beginning of a text, braces spread out, and where they end.
fn paths(text: &str) -> (Vec<Names>, usize) {
    let start = text.len() - text.trim_start().len();
    let body = &text[start..];
    if let Some(inside) = body.strip_prefix('{') {
        let (mut all, mut at) = (Vec::new(), 0);
        loop {
            let (more, length) = paths(&inside[at..]);
            all.extend(more);
            at += length;
            at += inside[at..].len() - inside[at..].trim_start_matches([' ', '\n', ',']).len();
            if inside[at..].starts_with('}') || length == 0 {
                return (all, start + 1 + at + 1);
            }
        }
    }
    let end = body.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(body.len());
    let name = body[..end].to_owned();
    if name.is_empty() {
        return (Vec::new(), start);
    }
    match body[end..].strip_prefix("::") {
        Some(rest) if !rest.starts_with('<') => {
            let (more, length) = paths(rest);
            if more.is_empty() {
                return (vec![vec![name]], start + end + 2 + length);
            }
            let joined = more.into_iter().map(|path| [vec![name.clone()], path].concat());
            (joined.collect(), start + end + 2 + length)
        }
        _ => {
            let renamed = body[end..].strip_prefix(" as ").map_or(0, |rest| {
                4 + rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
            });
            (vec![vec![name]], start + end + renamed)
        }
    }
}
