//! Settings in made-up directories, and sizes of made-up machines. The numbers are those of the table in the guide.

use std::fs;
use std::path::Path;

use ctnetlink::kernel::Version;
use ctnetlink::operate::tune::sizing::{
    Need, PerEntry, Sizes, advise, capacity, defaults, load, memory, with_hashsize,
};
use ctnetlink::operate::tune::{Settings, Unit, bare_name};

#[test]
fn every_spelling_is_the_same_setting() {
    for spelling in [
        "net.netfilter.nf_conntrack_udp_timeout",
        "net/netfilter/nf_conntrack_udp_timeout",
        "/net/netfilter/nf_conntrack_udp_timeout",
        "/proc/sys/net/netfilter/nf_conntrack_udp_timeout",
        " nf_conntrack_udp_timeout ",
        "udp_timeout",
    ] {
        assert_eq!(bare_name(spelling), "udp_timeout", "{spelling}");
    }
    for max in ["net.nf_conntrack_max", "/proc/sys/net/nf_conntrack_max", "max"] {
        assert_eq!(bare_name(max), "max", "{max}");
    }
    // What is none stays, for whoever refuses it to show.
    for other in ["", "../../ipv4/ip_forward", "net.ipv4.ip_forward", "/etc/passwd"] {
        assert_eq!(bare_name(other), other);
    }
}

#[test]
fn a_made_up_directory_is_read_as_far_as_it_makes_sense() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    file("nf_conntrack_max", "65536\n");
    file("nf_conntrack_acct", " 1 \n");
    file("nf_conntrack_new_timeout", "7");
    file("nf_conntrack_count", "many");
    file("nf_conntrack_checksum", "");
    file("nf_conntrack_events", &"1".repeat(1 << 20));
    file("ip_forward", "1");
    fs::create_dir(directory.path().join("nf_conntrack_dir")).unwrap();
    std::os::unix::fs::symlink("nf_conntrack_loop", directory.path().join("nf_conntrack_loop"))
        .unwrap();
    let settings = Settings::at(directory.path());
    let all: Vec<_> = settings.all().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(
        all,
        ["nf_conntrack_acct = 1", "nf_conntrack_max = 65536", "nf_conntrack_new_timeout = 7"]
    );
    let unknown = settings.get("new_timeout").unwrap();
    assert_eq!((unknown.unit, unknown.default), (Unit::Seconds, None));
    for (name, word) in [
        ("count", "many"),
        ("checksum", "not what the kernel writes"),
        ("events", "not what the kernel writes"),
        ("dir", "not what the kernel writes"),
        ("none", "none of this name"),
    ] {
        let error = settings.get(name).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
        assert_eq!(error.lines().count(), 1);
    }
    assert_eq!(settings.set("max", 9).unwrap().new, 9, "shorter than before");
    assert!(settings.set("none", 1).is_err());
    assert!(!directory.path().join("nf_conntrack_none").exists());
    let other = tempfile::tempdir().unwrap();
    fs::create_dir(other.path().join("nf_log")).unwrap();
    for place in [Path::new("/no/such/place"), other.path()] {
        let error = Settings::at(place).all().unwrap_err().to_string();
        assert!(error.contains("modprobe nf_conntrack"), "{error}");
    }
    let error = Settings::at("/no/such/place").get("max").unwrap_err().to_string();
    assert!(error.contains("modprobe nf_conntrack"), "{error}");
}

#[test]
fn any_spelling_finds_it() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("nf_conntrack_max"), "65536\n").unwrap();
    let settings = Settings::at(directory.path());
    for (value, name) in (1..).zip([
        "max",
        "nf_conntrack_max",
        "net.netfilter.nf_conntrack_max",
        "net/netfilter/nf_conntrack_max",
        "/proc/sys/net/netfilter/nf_conntrack_max",
        "net.nf_conntrack_max",
    ]) {
        let changed = settings.set(name, value).unwrap();
        assert_eq!((changed.name.as_str(), changed.new), ("nf_conntrack_max", value), "{name}");
    }
    for name in ["../nf_conntrack_max", "net.netfilter./etc/passwd", "/etc/passwd", "net/ipv4/x"] {
        let error = settings.set(name, 1).unwrap_err().to_string();
        assert!(error.contains("not the name of a setting"), "{error}");
    }
}

const GIB: u64 = 1 << 30;

#[test]
fn check_0_7_defaults_by_kernel_and_memory() {
    // Buckets with 1, 4, 8 and 64 GiB, and how many entries each is for.
    let until_3_18 = [8_192, 16_384, 16_384, 16_384];
    let until_5_14 = [8_192, 16_384, 65_536, 65_536];
    let since_5_15 = [8_192, 65_536, 262_144, 262_144];
    for (kernel, buckets, entries) in [
        ((3, 10), until_3_18, 4),
        ((4, 18), until_5_14, 4),
        ((5, 10), until_5_14, 4),
        ((5, 15), since_5_15, 1),
        ((6, 18), since_5_15, 1),
    ] {
        for (gib, buckets) in [1, 4, 8, 64].into_iter().zip(buckets) {
            let found = defaults(Version::new(kernel.0, kernel.1), gib * GIB);
            let expected = Sizes { max: buckets * entries, buckets };
            assert_eq!(found, expected, "{kernel:?} with {gib} GiB");
        }
    }
}

#[test]
fn a_hashsize_makes_eight_times_as_many_entries() {
    assert_eq!(with_hashsize(262_144), Sizes { max: 2_097_152, buckets: 262_144 });
    assert_eq!(with_hashsize(1000).buckets, 1024, "whole pages");
    assert_eq!(with_hashsize(0).buckets, 512);
}

#[test]
fn few_buckets_are_the_limit_since_5_15() {
    let sizes = Sizes { max: 2_097_152, buckets: 16_384 };
    assert_eq!(capacity(Version::new(6, 1), sizes), 196_608);
    assert_eq!(capacity(Version::new(3, 10), sizes), 2_097_152);
    assert_eq!(capacity(Version::new(6, 1), Sizes { max: 0, buckets: 512 }), 6_144, "no limit");
    assert_eq!(load(2_097_152, 16_384), 256.0);
    assert_eq!(load(1, 0), 2.0);
}

#[test]
fn check_2_5_memory_is_entries_and_buckets() {
    let modern = Version::new(6, 18);
    assert_eq!(memory(modern, 1_000_000, PerEntry::EXTENDED, 0, 1), 384_000_000);
    assert_eq!(memory(modern, 0, PerEntry::BARE, 262_144, 50), 2 << 20);
    assert_eq!(memory(Version::new(3, 10), 0, PerEntry::BARE, 16_384, 96), 96 * (128 << 10));
    let slabinfo = "slabinfo - version: 2.1\n# name <active> <num> <objsize>\n\
                    nf_conntrack 12 48 320 12 1 : tunables 0 0 0\n";
    assert_eq!(PerEntry::EXTENDED.with_slabinfo(slabinfo).bytes(), 448);
    assert_eq!(PerEntry::EXTENDED.with_slabinfo("nf_conntrack a b c"), PerEntry::EXTENDED);
}

#[test]
fn check_1_5_advice_for_known_machines() {
    // Entries and buckets; MiB when it is full, 384 bytes an entry and 8 a bucket; reasons.
    for (kernel, gib, peak, growth, namespaces, max, mib, reasons) in [
        // A small machine of today: what the kernel takes by itself is enough.
        ((6, 18), 8, 20_000, 2.0, 1, 262_144, 98, 4),
        ((6, 18), 64, 250_000, 2.0, 1, 524_288, 196, 3),
        // A node with a namespace for every pod.
        ((5, 15), 16, 600_000, 1.5, 50, 1_048_576, 392, 4),
        // No chain is refused before 5.15.
        ((4, 18), 16, 600_000, 1.5, 1, 1_048_576, 392, 2),
        ((3, 10), 4, 60_000, 1.0, 1, 65_536, 24, 2),
        // More than an eighth of 2 GiB: no more than that, in whole pages of buckets.
        ((6, 1), 2, 5_000_000, 2.0, 1, 684_544, 255, 4),
    ] {
        let advice = advise(&Need {
            kernel: Version::new(kernel.0, kernel.1),
            ram: gib * GIB,
            peak,
            growth,
            namespaces,
            per_entry: PerEntry::EXTENDED,
        });
        let found = (advice.sizes.max, advice.sizes.buckets, advice.memory >> 20);
        assert_eq!(found, (max, max, mib), "{kernel:?} with {gib} GiB for {peak}");
        assert_eq!((advice.capacity, advice.load), (max, 2.0));
        assert_eq!(advice.memory_at_worst >> 20, {
            let entries = 384 * max * namespaces;
            (entries + 8 * max) >> 20
        });
        assert_eq!(advice.reasons.len(), reasons, "{:#?}", advice.reasons);
        assert!(advice.reasons.iter().all(|reason| !reason.source.is_empty()));
    }
}

#[test]
fn check_1_5_advice_keeps_its_own_rules() {
    for (major, minor) in [(3, 10), (4, 18), (5, 10), (5, 15), (6, 1), (6, 18)] {
        for gib in [1, 2, 8, 64, 256] {
            for peak in [0, 1, 100_000, 1_000_000, 50_000_000, u64::MAX] {
                for (growth, namespaces) in [(0.0, 0), (1.5, 1), (4.0, 300), (f64::NAN, 2)] {
                    let kernel = Version::new(major, minor);
                    let need = Need {
                        kernel,
                        ram: gib * GIB,
                        peak,
                        growth,
                        namespaces,
                        per_entry: PerEntry::EXTENDED,
                    };
                    let advice = advise(&need);
                    let Sizes { max, buckets } = advice.sizes;
                    assert!(buckets >= max && advice.load <= 2.0, "{need:?}: {advice:?}");
                    assert_eq!(advice.capacity, max, "buckets are no limit");
                    assert!(max >= defaults(kernel, need.ram).max);
                    let within = advice.memory <= need.ram / 8;
                    assert!(within || max == defaults(kernel, need.ram).max, "{need:?}");
                    assert!(advice.memory_at_worst >= advice.memory);
                    assert!(!advice.reasons.is_empty());
                }
            }
        }
    }
}
