#!/usr/bin/env python3
"""Writes what fuzzing begins with: files for `snapshot` and `difference`, attributes for `entry`, texts
for `filter`.

    fuzz/seeds.py [FOLDER]    the corpora are put below it, fuzz/corpus if none is given
"""

import pathlib
import struct
import sys

here = pathlib.Path(__file__).resolve().parent
folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here / "corpus"


def messages(dump):
    """The netlink messages of a dump."""
    at = 0
    while at + 16 <= len(dump):
        length = struct.unpack_from("=I", dump, at)[0]
        yield dump[at : at + length]
        at += (length + 3) & ~3


def pcap(packets):
    """A capture of netlink (link type 253), each packet behind its header of 16 bytes."""
    header = struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 253)
    sll = struct.pack(">HHHIIH", 4, 824, 0, 0, 0, 12)
    records = (struct.pack("=IIII", 0, 0, len(p) + 16, len(p) + 16) + sll + p for p in packets)
    return header + b"".join(records)


def pcapng(packets):
    """The same as pcapng: a section, an interface and the packets."""

    def block(kind, body):
        body += b"\0" * (-len(body) % 4)
        length = len(body) + 12
        return struct.pack("=II", kind, length) + body + struct.pack("=I", length)

    file = block(0x0A0D0D0A, struct.pack("=IHHq", 0x1A2B3C4D, 1, 0, -1))
    file += block(1, struct.pack("=HHI", 253, 0, 0))
    sll = struct.pack(">HHHIIH", 4, 824, 0, 0, 0, 12)
    for packet in packets:
        whole = sll + packet
        file += block(6, struct.pack("=IIIII", 0, 0, 0, len(whole), len(whole)) + whole)
    return file


LINES = [
    "tcp      6 431999 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1 [ASSURED] mark=0 use=1",
    "ipv4     2 udp      17 29 src=10.0.0.1 dst=8.8.8.8 sport=5353 dport=53 [UNREPLIED] src=8.8.8.8 dst=10.0.0.1 sport=53 dport=5353 mark=5 zone=7 use=2",
    "ipv6     10 icmpv6   58 29 src=2001:db8::1 dst=2001:db8::2 type=128 code=0 id=9 src=2001:db8::2 dst=2001:db8::1 type=129 code=0 id=9 mark=0 use=1",
    "gre      47 29 timeout=30, stream_timeout=180 src=10.0.0.1 dst=10.0.0.2 srckey=0x1 dstkey=0x2 packets=3 bytes=100 src=10.0.0.2 dst=10.0.0.1 srckey=0x2 dstkey=0x1 packets=0 bytes=0 [ASSURED] use=1",
    "-A -t 300 -u SEEN_REPLY,ASSURED -s 10.0.0.1 -d 10.0.0.2 -r 10.0.0.2 -q 10.0.0.1 -p tcp --sport 1 --dport 2 --reply-port-src 2 --reply-port-dst 1 --state ESTABLISHED",
    '{"observed_at":"2026-11-21T17:23:50.000000Z","node":"n","netns_inode":4026532178,"family":4,"proto":132,"src_ip":"10.0.13.118","dst_ip":"45.0.0.1","src_port":1024,"dst_port":3868,"reply_src_ip":"45.0.0.1","reply_dst_ip":"48.0.0.2","reply_src_port":3868,"reply_dst_port":1024,"icmp_type":null,"icmp_code":null,"icmp_id":null,"reply_icmp_id":null,"src_key":null,"dst_key":null,"reply_src_key":null,"reply_dst_key":null,"state":"ESTABLISHED","tcp_state":null,"status":14,"assured":true,"seen_reply":true,"snat":true,"dnat":false,"timeout_s":333718,"mark":0,"zone":null,"zone_of":null,"labels":null,"helper":null,"id":63800775,"orig_packets":null,"orig_bytes":null,"reply_packets":null,"reply_bytes":null,"start_ns":null,"stop_ns":null}',
    "conntrack v1.4.7 (conntrack-tools): 2 flow entries have been shown.",
]

files, entries = {}, {}
for dump in sorted((here.parent / "tests" / "data").glob("*.nl")):
    found = list(messages(dump.read_bytes()))
    for index in range(0, len(found), max(1, len(found) // 20)):
        # Behind the headers of netlink and netfilter.
        entries[f"{dump.stem}-{index}"] = found[index][20:]
    few = found[:3]
    files[f"{dump.stem}.pcap"] = pcap(few)
    files[f"{dump.stem}.pcapng"] = pcapng(few)
    files[f"{dump.stem}-one.pcap"] = pcap(found[-1:])
for index, line in enumerate(LINES):
    files[f"line-{index}"] = line.encode() + b"\n"
files["lines"] = "\n".join(LINES).encode()
# A frame of zstd that holds one of these as it is.
for name in ["line-0", "mixed-one.pcap"]:
    raw = files[name]
    if len(raw) < 65536 and len(raw) >= 256:
        header = b"\x28\xb5\x2f\xfd" + bytes([0x60]) + struct.pack("<H", len(raw) - 256)
    else:
        header = b"\x28\xb5\x2f\xfd" + bytes([0x20, len(raw)])
    files[f"{name}.zst"] = header + struct.pack("<I", len(raw) << 3 | 1)[:3] + raw

FILTERS = [
    "proto=tcp state=TIME_WAIT src=10.0.0.0/8 dport=80,8080 !assured",
    "dport!=80 proto=icmp",
    "(proto=icmp dport=80) or !()",
    "not (family=ipv6 and icmp-type=128) or host=2001:db8::/32",
    "status=EXPECTED,HELPER+ASSURED snat=203.0.113.1 nat zone=7 orig-zone=0-9",
    'mark=0x1/0xff label=3 helper="a b",ftp id=12345 srckey=6 sport!=7',
    "timeout<30s age>=1h bytes=1k-2KiB reply-packets<3 orig-bytes>10M",
]

# The first byte: whether the rest is a text, with an entry behind a 0, or choices.
first = next(iter(entries.values()))
filters = {f"text-{i}": b"\1" + text.encode() + b"\0" + first for i, text in enumerate(FILTERS)}
for index in range(34):
    choices = bytes((7 * index + 5 * step * step) % 256 for step in range(40 + index))
    filters[f"choices-{index}"] = b"\0" + bytes([index % 6]) + choices

corpora = {"snapshot": files, "difference": files, "entry": entries, "filter": filters}
for target, seeds in corpora.items():
    (folder / target).mkdir(parents=True, exist_ok=True)
    for name, content in seeds.items():
        (folder / target / name).write_bytes(content)
    print(f"{len(seeds)} seeds in {folder / target}")
