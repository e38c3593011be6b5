//! The arrows of the design: who may use whom, and what nobody may do.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

#[path = "kernel/findings.rs"]
mod findings;
mod graph;

/// What a room may use of the crate.
const MAY_USE: [(&str, &[&str]); 26] = [
    ("wire", &[]),
    ("escape", &[]),
    ("origin", &[]),
    ("replace", &[]),
    ("error", &["escape", "wire"]),
    ("flow", &["escape", "wire"]),
    ("kernel", &["flow", "wire"]),
    ("field", &["flow", "wire"]),
    ("filter", &["field", "flow", "kernel", "wire"]),
    ("aggregate", &["field", "filter", "flow", "wire"]),
    ("socket", &["error", "flow", "wire"]),
    (
        "table",
        &["aggregate", "error", "field", "filter", "flow", "kernel", "origin", "socket", "wire"],
    ),
    ("testing", &["aggregate", "error", "flow", "kernel", "socket", "table", "wire"]),
    ("files", &[]),
    ("files::end", &[]),
    ("files::facts", &["origin"]),
    ("files::rows", &["aggregate", "escape", "field", "files::facts", "flow", "origin"]),
    ("files::text", &["aggregate", "escape", "files::end", "files::rows", "flow", "origin"]),
    (
        "files::capture",
        &["aggregate", "error", "files::end", "files::facts", "flow", "table", "wire"],
    ),
    ("files::parquet", &["error", "files::facts", "files::rows", "origin", "replace"]),
    (
        "files::snapshot",
        &[
            "aggregate",
            "error",
            "field",
            "files::capture",
            "files::end",
            "files::facts",
            "files::parquet",
            "files::rows",
            "files::text",
            "filter",
            "flow",
            "origin",
            "wire",
        ],
    ),
    ("operate", &[]),
    ("operate::finding", &[]),
    ("operate::tune", &["error", "escape", "flow", "kernel", "operate::finding", "socket"]),
    (
        "operate::persist",
        &["error", "escape", "flow", "kernel", "operate::finding", "operate::tune", "replace"],
    ),
    (
        "operate::diagnose",
        &[
            "aggregate",
            "error",
            "field",
            "files::snapshot",
            "filter",
            "flow",
            "kernel",
            "operate::finding",
            "operate::persist",
            "operate::tune",
            "socket",
            "table",
        ],
    ),
];

/// The rooms that are made of rooms.
const WINGS: [&str; 2] = ["files", "operate"];

/// Where the items that `lib.rs` exports live, for paths such as `crate::Query`.
const EXPORTS: [(&str, &str); 7] = [
    ("Filter", "filter"),
    ("Query", "aggregate"),
    ("Error", "error"),
    ("ErrorKind", "error"),
    ("Result", "error"),
    ("Reader", "table"),
    ("Namespace", "socket"),
];

fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("a source file");
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty());
    found
}

/// The code of a file: no comments, no text in quotes.
fn code(text: &str) -> String {
    // Quotes that are not those of a string: escaped ones, and the character itself.
    let text = text.replace(r"\\", "").replace("\\\"", "").replace("'\"'", "");
    let (mut code, mut quoted) = (String::new(), false);
    for line in text.lines() {
        let mut rest = line.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '"' => quoted = !quoted,
                '/' if !quoted && rest.peek() == Some(&'/') => break,
                c if !quoted => code.push(c),
                _ => {}
            }
        }
        code.push('\n');
    }
    assert!(!quoted, "a quote without its pair hides code from these tests");
    code
}

#[test]
fn code_is_what_is_left_without_comments_and_text() {
    for (text, left) in [
        ("use a; // use b;", "use a; "),
        ("f(\"http://a\"); use b;", "f(); use b;"),
        ("f('\"'); use b; g('\"');", "f(); use b; g();"),
        (r#"f("\""); use b;"#, "f(); use b;"),
        (r#"f("\\"); use b;"#, "f(); use b;"),
        ("f(\"one // two\n three\"); use b;", "f(\n); use b;"),
    ] {
        assert_eq!(code(text).trim_end_matches('\n'), left, "{text}");
    }
}

/// The room of a path of names.
fn room<'n>(mut names: impl Iterator<Item = &'n str>) -> String {
    let first = names.next().unwrap_or_default();
    let second = names.next().filter(|_| WINGS.contains(&first));
    second.map_or(first.to_owned(), |second| format!("{first}::{second}"))
}

#[test]
fn arrows_run_one_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src");
    let may_use: BTreeMap<_, _> = MAY_USE.into_iter().collect();
    let mut seen = 0;
    for (path, text) in sources("src") {
        let inside = path.strip_prefix(&root).expect("a path below src").with_extension("");
        let names: Vec<_> = inside.iter().map(|name| name.to_str().expect("a name")).collect();
        let own = room(names.iter().copied().filter(|name| *name != "mod"));
        if own == "lib" {
            continue;
        }
        let allowed = may_use.get(own.as_str()).unwrap_or_else(|| panic!("{own} has no place yet"));
        let code = code(&text);
        let around = code.contains("super::super");
        assert!(!around, "{}: say crate::, which can be judged", inside.display());
        for used in code.split("crate::").skip(1) {
            let end = used.find(|c: char| !c.is_alphanumeric() && !['_', ':'].contains(&c));
            let used = room(used[..end.unwrap_or(used.len())].split("::"));
            let exported = EXPORTS.iter().find(|(item, _)| *item == used);
            let used = exported.map_or(used.as_str(), |(_, module)| module);
            seen += 1;
            assert!(
                used == own || allowed.contains(&used),
                "{}: {own} must not use {used}",
                inside.display()
            );
        }
    }
    assert!(seen > 40, "the test has to find the uses it judges: {seen}");
}

/// The code of each module of `src`, without its tests.
fn modules() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src");
    let module = |(path, text): (PathBuf, String)| {
        let inside = path.strip_prefix(&root).expect("a path below src").with_extension("");
        let names = inside.iter().map(|name| name.to_str().expect("a name"));
        let names: Vec<_> = names.filter(|name| !["mod", "lib"].contains(name)).collect();
        let code = code(&text);
        let end = code.find("#[cfg(test)]\nmod tests").unwrap_or(code.len());
        (names.join("::"), code[..end].to_owned())
    };
    sources("src").into_iter().map(module).collect()
}

#[test]
fn no_file_uses_itself_by_way_of_others() {
    let mut modules = modules();
    assert_eq!(graph::Graph::new(modules.clone()).circle(), None);
    // A word more would be found.
    modules.get_mut("wire::attribute").expect("a file").push_str("use crate::flow::FlowRef;");
    assert!(graph::Graph::new(modules).circle().is_some_and(|circle| circle.len() > 1));
}

/// The map names files that there are.
#[test]
fn the_map_is_true() {
    let map = include_str!("../docs/architecture.md");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let words = map.split('`').skip(1).step_by(2);
    let files: Vec<_> = words.filter(|word| word.contains('/') || word.ends_with(".rs")).collect();
    assert!(files.len() > 40, "{files:?}");
    for file in files.iter().filter(|file| !file.contains("NAME")) {
        let places = ["", "src", "src/aggregate"].map(|folder| root.join(folder).join(file));
        assert!(places.iter().any(|place| place.exists()), "{file}");
    }
}

#[test]
fn there_is_no_unsafe_code() {
    let manifest = include_str!("../Cargo.toml");
    assert!(manifest.contains("unsafe_code = \"forbid\""));
    let word = concat!("un", "safe");
    for folder in ["src", "examples", "tests", "benches"] {
        for (path, text) in sources(folder) {
            let uses =
                code(&text).split(|c: char| !c.is_alphanumeric() && c != '_').any(|w| w == word);
            assert!(!uses, "{}", path.display());
        }
    }
}

#[test]
fn no_text_of_the_table_is_read() {
    for folder in ["src", "examples"] {
        for (path, text) in sources(folder) {
            // The old name of a setting is not the table.
            let text = text.replace("net/nf_conntrack_max", "");
            for file in ["net/nf_conntrack", "net/ip_conntrack"] {
                assert!(!text.contains(file), "{}: {file}", path.display());
            }
        }
    }
}

/// A filter that is part of the program is typed: of a text, a slip of the pen would be seen at run
/// time at best, and as the filter that matches everything at worst.
#[test]
fn filters_of_our_own_are_typed() {
    for (path, text) in sources("src") {
        let code = code(&text);
        assert!(!code.contains("parse::<Filter>"), "{}", path.display());
    }
}

/// What `cargo tree` says that a build with these features takes, on this machine.
fn packages(features: &str) -> String {
    let mut cargo = std::process::Command::new(env!("CARGO"));
    cargo.args(["tree", "--locked", "--offline", "--package", "ctnetlink", "--prefix", "none"]);
    cargo.args(["--edges", "normal,build", "--no-default-features", "--features", features]);
    cargo.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let tree = cargo.output().expect("cargo");
    let error = String::from_utf8_lossy(&tree.stderr);
    assert!(tree.status.success(), "{error}");
    String::from_utf8(tree.stdout).expect("text")
}

#[test]
fn zstd_alone_needs_a_c_compiler() {
    // What build scripts compile C with, or look for what was compiled.
    let tools = ["bindgen", "cc", "cmake", "pkg-config", "vcpkg"];
    let needs_one = |features: &str| {
        let packages = packages(features);
        assert!(packages.contains("netlink-sys v"), "{packages}");
        packages.lines().any(|line| tools.contains(&line.split(' ').next().unwrap_or_default()))
    };
    let manifest = include_str!("../Cargo.toml");
    let features = manifest.split("[features]").nth(1).and_then(|rest| rest.split("\n[").next());
    let lines = features.expect("a list").lines().filter(|line| !line.starts_with('#'));
    let features = lines.filter_map(|line| line.split_once(" = "));
    let features: Vec<_> = features.map(|(name, _)| name).filter(|name| *name != "zstd").collect();
    assert!(features.contains(&"parquet"), "{features:?}");
    assert!(!needs_one(&features.join(",")));
    assert!(needs_one("zstd"), "the test has to find what it looks for");
}

/// A delete without a tuple empties the table, so few files may make one.
#[test]
fn few_may_delete() {
    let mut seen = Vec::new();
    for (path, text) in sources("src") {
        // `wire` has the number, and the guard looks for it.
        let code = code(&text);
        let named = ["IPCTNL_MSG_CT_DELETE", "IPCTNL_MSG_EXP_DELETE"];
        let named = named.into_iter().any(|name| code.contains(name));
        if named {
            seen.push(path.file_name().expect("a name").to_string_lossy().into_owned());
        }
    }
    seen.sort();
    assert_eq!(seen, ["ctnetlink.rs", "delete_request.rs", "expect_change.rs", "guard.rs"]);
    let calls = sources("src")
        .iter()
        .flat_map(|(path, text)| {
            let calls = code(text).matches("send_flush(").count();
            vec![path.file_name().expect("a name").to_string_lossy().into_owned(); calls]
        })
        .collect::<std::collections::BTreeSet<_>>();
    // Where it is, and the one place that asks the request whether it is a flush.
    assert_eq!(calls.into_iter().collect::<Vec<_>>(), ["exchange.rs", "mod.rs"]);
}

#[test]
fn no_file_grows_out_of_hand() {
    for (path, text) in sources("src") {
        let lines = text.lines().count();
        assert!(lines <= 600, "{}: {lines} lines; is there a second noun in it?", path.display());
    }
}

#[test]
fn the_guide_names_tests_there_are_and_its_translation_has_the_same_output() {
    let (guide, chinese) = (include_str!("../docs/guide.md"), include_str!("../docs/guide.zh.md"));
    let all: String =
        ["src", "tests"].into_iter().flat_map(sources).map(|(_, text)| text).collect();
    let mut named = 0;
    for name in guide.split('`').filter(|word| word.starts_with("check_")) {
        assert!(
            all.contains(&format!("fn {name}(")) || all.contains(&format!("\"{name}\"")),
            "{name}"
        );
        named += 1;
    }
    assert!(named > 25, "{named}");
    let blocks = |text: &'static str| text.split("```").skip(1).step_by(2).collect::<Vec<_>>();
    assert_eq!(blocks(guide), blocks(chinese));
    let table = |text: &'static str| text.split("| check |").nth(1).map(str::to_owned);
    assert_eq!(table(guide), table(chinese));
}

/// A new finding is in one of the lists, or this fails.
#[test]
fn every_finding_is_accounted_for() {
    let is_id = |word: &&str| {
        let capital = |c: char| c.is_ascii_uppercase() || c == '_' || c.is_ascii_digit();
        word.len() > 3 && word.chars().all(capital)
    };
    let found: BTreeSet<_> = sources("src")
        .into_iter()
        .filter(|(path, text)| text.contains("Finding::") && !path.ends_with("finding.rs"))
        .flat_map(|(_, text)| text.split('"').filter(is_id).map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let typed = findings::TYPED.iter().map(|(id, _)| *id);
    let others = findings::NO_COMMAND.iter().chain(findings::OTHER_WORDS).copied();
    let listed: BTreeSet<_> = typed.chain(others).map(str::to_owned).collect();
    let new: Vec<_> = found.difference(&listed).collect();
    assert!(new.is_empty(), "a finding without a test that types its commands: {new:?}");
    let gone: Vec<_> = listed.difference(&found).collect();
    assert!(gone.is_empty(), "{gone:?}");
}
