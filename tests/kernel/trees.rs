//! Random trees of settings files: all that people, and nobody in his senses, write into them.

/// What is in the trees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Everything.
    Any,
    /// Only what both programs that read such files take alike.
    Plain,
}

#[derive(Debug)]
pub struct File {
    /// Below the root.
    pub path: String,
    pub content: Content,
}

pub enum Content {
    Text(Vec<u8>),
    Link(String),
    Folder,
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => {
                let start = text.get(..1000).unwrap_or(text);
                write!(f, "{}", start.escape_ascii())
            }
            Self::Link(target) => write!(f, "-> {target}"),
            Self::Folder => write!(f, "a folder"),
        }
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// In so many of a hundred cases.
    fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn of<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

const FOLDERS: [&str; 4] =
    ["etc/sysctl.d", "run/sysctl.d", "usr/local/lib/sysctl.d", "usr/lib/sysctl.d"];

const NAMES: [&str; 16] = [
    "10-a.conf",
    "10-a.conf",
    "50-b.conf",
    "50-b.conf",
    "99-sysctl.conf",
    "9-c.conf",
    "Z.conf",
    "a.conf",
    "_.conf",
    "~.conf",
    "é.conf",
    ".hidden.conf",
    ".conf",
    "10-a.conf~",
    "b.CONF",
    "readme",
];

/// Few, so that lines meet each other.
const SETTINGS: [&str; 18] = [
    "net/netfilter/nf_conntrack_udp_timeout",
    "net/netfilter/nf_conntrack_udp_timeout",
    "net/netfilter/nf_conntrack_udp_timeout_stream",
    "net/netfilter/nf_conntrack_icmp_timeout",
    "net/netfilter/nf_conntrack_generic_timeout",
    "net/netfilter/nf_conntrack_frag6_timeout",
    "net/netfilter/nf_conntrack_frag6_low_thresh",
    "net/netfilter/nf_conntrack_acct",
    "net/netfilter/nf_conntrack_events",
    "net/netfilter/nf_conntrack_log_invalid",
    "net/netfilter/nf_conntrack_tcp_max_retrans",
    "net/netfilter/nf_conntrack_max",
    "net/nf_conntrack_max",
    "net/ipv4/ip_forward",
    "net/ipv4/conf/all/forwarding",
    "net/ipv4/conf/lo/forwarding",
    "net/ipv4/conf/default/forwarding",
    "net/ipv6/conf/all/forwarding",
];

/// The files of a tree.
pub fn tree(seed: u64, style: Style) -> Vec<File> {
    let mut random = Random(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
    let any = style == Style::Any;
    let mut files: Vec<File> = Vec::new();
    for _ in 0..1 + random.below(6) {
        let name = if any { random.of(&NAMES) } else { random.of(&NAMES[..8]) };
        let path = format!("{}/{name}", random.of(&FOLDERS));
        if files.iter().any(|file| file.path == path) {
            continue;
        }
        let content = match random.below(100) {
            0..5 if any => Content::Link("/dev/null".to_owned()),
            5..9 if any && !files.is_empty() => {
                let at = random.below(files.len());
                Content::Link(format!("/{}", files[at].path))
            }
            9 if any => Content::Link("../no/such.conf".to_owned()),
            10 if any => Content::Folder,
            11 => Content::Text(Vec::new()),
            _ => Content::Text(text(&mut random, style)),
        };
        files.push(File { path, content });
    }
    files
}

fn text(random: &mut Random, style: Style) -> Vec<u8> {
    let mut text = Vec::new();
    let lines = 1 + random.below(8);
    for line in 0..lines {
        if style == Style::Plain {
            text.extend(plain_line(random).bytes());
            text.push(b'\n');
            continue;
        }
        text.extend(any_line(random));
        let end: &[u8] = match random.below(40) {
            0 => b"\r",
            1 | 2 => b"\r\n",
            3 => b"\0",
            4 => b"\n\n",
            5 => b"\n\r",
            _ if line + 1 == lines && random.percent(30) => b"",
            _ => b"\n",
        };
        text.extend(end);
    }
    text
}

fn plain_line(random: &mut Random) -> String {
    if random.percent(10) {
        return random.of(&["# comment", "; comment", ""]).to_owned();
    }
    // procps writes each line, and systemd the last of each key: where one setting has two names, or sets
    // another, they differ.
    let settings: Vec<_> =
        SETTINGS.into_iter().filter(|path| !path.starts_with("net/ipv4/conf/")).collect();
    let setting = random.of(&settings);
    let key = if random.percent(50) { setting.replace('/', ".") } else { setting.to_owned() };
    let value = plain_value(random, setting);
    let minus = random.of(&["", "", "", "-"]);
    format!("{minus}{key}{}{value}", random.of(&["=", " = ", "= ", "\t=\t"]))
}

fn plain_value(random: &mut Random, setting: &str) -> String {
    if setting.contains("timeout") || setting.contains("max") {
        (2 + random.below(250)).to_string()
    } else {
        random.of(&["0", "1"]).to_owned()
    }
}

fn any_line(random: &mut Random) -> Vec<u8> {
    let blank = |random: &mut Random| random.of(&["", "", "", " ", "  ", "\t", " \t"]);
    match random.below(100) {
        0..4 => return b"# net.ipv4.ip_forward = 7".to_vec(),
        4..6 => return b" ; comment".to_vec(),
        6..8 => return b"   ".to_vec(),
        8 => return b"nonsense".to_vec(),
        9 => return b"= 5".to_vec(),
        10 => return b"-".to_vec(),
        _ => {}
    }
    let setting = SETTINGS[random.below(SETTINGS.len())];
    let mut path = setting.to_owned();
    if random.percent(30) {
        path = pattern(random, &path);
    }
    let key = spelled(random, &path);
    let (before, around, after) = (blank(random), blank(random), blank(random));
    if random.percent(12) {
        return format!("{before}-{around}{key}{after}").into_bytes();
    }
    let minus = if random.percent(15) { "-" } else { "" };
    let mut line = format!("{before}{minus}{around}{key}{after}={}", blank(random)).into_bytes();
    line.extend(value(random, setting));
    line.extend(blank(random).bytes());
    line
}

/// One of the ways to write a key; some are of another setting, or of none.
fn spelled(random: &mut Random, path: &str) -> String {
    let mut key = path.to_owned();
    let slash = |key: &str, random: &mut Random| {
        let slashes: Vec<_> = key.match_indices('/').map(|(at, _)| at).collect();
        slashes[random.below(slashes.len())]
    };
    match random.below(40) {
        0 | 1 => key = format!("/{key}"),
        2 | 3 => key.insert(slash(&key, random), '/'),
        4 => key.insert_str(slash(&key, random), "/."),
        5 => key = key.replacen("net/", "net/ipv4/../", 1),
        6 => key.push('/'),
        7 => key.insert_str(slash(&key, random), "/.."),
        8 => key.insert(slash(&key, random), ' '),
        9 => key = key.to_uppercase(),
        10 => key.push('x'),
        11 => key = format!("./{key}"),
        _ => {}
    }
    match random.below(20) {
        0..9 => key,
        9 => {
            // Only one of them is another.
            let at = slash(&key, random);
            key.replace_range(at..=at, ".");
            key
        }
        _ => {
            let swapped = |c| match c {
                '/' => '.',
                '.' => '/',
                c => c,
            };
            key.chars().map(swapped).collect()
        }
    }
}

/// A pattern that may be true of the path. What is not of this network is out of its reach.
fn pattern(random: &mut Random, path: &str) -> String {
    let mut parts: Vec<String> = path.split('/').map(str::to_owned).collect();
    let last = parts.len() - 1;
    for _ in 0..1 + random.below(3) {
        let at = if random.percent(70) { last } else { random.below(parts.len()) };
        let part = &mut parts[at];
        let chars: Vec<(usize, char)> =
            part.char_indices().filter(|(_, c)| c.is_ascii_lowercase()).collect();
        let Some(&(start, c)) = chars.get(random.below(chars.len().max(1))) else { continue };
        let next = char::from(c as u8 + 1);
        let one = match random.below(22) {
            0..3 => "?".to_owned(),
            3..6 => "*".to_owned(),
            6 => "**".to_owned(),
            7 => format!("[{c}]"),
            8 => format!("[{c}{next}]"),
            9 => format!("[!{next}]"),
            10 => format!("[^{c}]"),
            11 => "[a-z]".to_owned(),
            12 => format!("[!a-{c}]"),
            13 => "[[:alpha:]]".to_owned(),
            14 => "[![:digit:]_]".to_owned(),
            15 => format!("\\{c}"),
            16 => format!("{{{c},{next}}}"),
            17 => format!("{{{c},{next}*,}}"),
            18 => format!("[{c}"),
            19 => format!("[]{c}-]"),
            20 if random.percent(20) => "[[=u=]u]".to_owned(),
            _ => format!("[\\{c}]"),
        };
        part.replace_range(start..=start, &one);
        if random.percent(25) {
            // From here to the end of a word.
            let end = part[start..].find('_').map_or(part.len(), |end| start + end);
            part.replace_range(start..end, random.of(&["*", "?*", "*_*"]));
        }
    }
    parts.join("/")
}

fn value(random: &mut Random, setting: &str) -> Vec<u8> {
    let number = plain_value(random, setting);
    let text = match random.below(60) {
        0..4 => format!("{number} # comment"),
        4 => format!("{number}# comment"),
        5 | 6 => format!("{number} 8"),
        7 => format!("{number}\t8"),
        8 | 9 => format!("0x{:x}", number.parse::<u32>().expect("a number")),
        10 | 11 => format!("0{:o}", number.parse::<u32>().expect("a number")),
        12 => format!("0{number}"),
        13 => format!("+{number}"),
        14 => format!("-{number}"),
        15 => format!("- {number}"),
        16 => "4294967296".to_owned(),
        17 => "2147483648".to_owned(),
        18 => "99999999999999999999999".to_owned(),
        19 => random
            .of(&["2147483", "3000000", "8589935", "21474837", "-21474837", "2147483647"])
            .to_owned(),
        20 => random
            .of(&["lots", "0x", "08", "1e3", "1,2", "0b1", "\"5\"", "1_0", "-", "-0"])
            .to_owned(),
        21 => String::new(),
        22 => format!("={number}"),
        23 => format!("{}{number}", "0".repeat(1 + random.below(24))),
        24 => format!("\x0b{number}"),
        25 => format!("{number} {}", "x".repeat(5000)),
        26 => format!("{number}\u{a0}"),
        27 => random.of(&["2", "255", "256", "-1"]).to_owned(),
        28 => return [b"\xa0", number.as_bytes()].concat(),
        29 => return [number.as_bytes(), b"\xff"].concat(),
        30 => return [number.as_bytes(), b" \xff"].concat(),
        _ => number,
    };
    text.into_bytes()
}
