use super::*;

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn network(text: &str) -> Network {
    text.parse().unwrap()
}

#[test]
fn public_addresses_may_be_fetched_from() {
    for text in [
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "172.15.255.255",
        "172.32.0.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2606:4700::1111",
        "2400:cb00::1",
        "::ffff:1.1.1.1",
        "64:ff9b::1.1.1.1",
        "2002:101:101::1",
    ] {
        assert_eq!(refusal(address(text), &[]), None, "{text}");
    }
}

#[test]
fn others_are_refused_by_their_kind() {
    for (text, kind) in [
        ("0.0.0.0", "an unspecified"),
        ("0.1.2.3", "an unspecified"),
        ("10.0.0.0", "a private"),
        ("10.255.255.255", "a private"),
        ("100.64.0.0", "a carrier's private"),
        ("100.127.255.255", "a carrier's private"),
        ("127.0.0.1", "a loopback"),
        ("127.255.255.254", "a loopback"),
        ("169.254.169.254", "a link-local"),
        ("172.16.0.0", "a private"),
        ("172.31.255.255", "a private"),
        ("192.0.0.170", "a reserved"),
        ("192.0.2.1", "a documentation"),
        ("192.88.99.1", "a reserved"),
        ("192.168.255.255", "a private"),
        ("198.18.0.0", "a benchmarking"),
        ("198.19.255.255", "a benchmarking"),
        ("198.51.100.7", "a documentation"),
        ("203.0.113.7", "a documentation"),
        ("224.0.0.1", "a multicast"),
        ("239.255.255.255", "a multicast"),
        ("240.0.0.1", "a reserved"),
        ("255.255.255.255", "a reserved"),
        ("::", "an unspecified"),
        ("::1", "a loopback"),
        ("fc00::1", "a private"),
        ("fdff::1", "a private"),
        ("fd00:ec2::254", "a private"),
        ("fe80::1", "a link-local"),
        ("febf::1", "a link-local"),
        ("fec0::1", "a private"),
        ("ff02::1", "a multicast"),
        ("2001:db8::1", "a documentation"),
        ("3fff::1", "a documentation"),
        ("3ffe::1", "a reserved"),
        ("2001:2::1", "a benchmarking"),
        // Teredo hides an IPv4 address.
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "a reserved"),
        ("100::1", "a reserved"),
        ("5f00::1", "a reserved"),
        ("4000::1", "a reserved"),
        // What leads to IPv4.
        ("::ffff:127.0.0.1", "a loopback"),
        ("::ffff:10.0.0.1", "a private"),
        ("::ffff:169.254.169.254", "a link-local"),
        ("64:ff9b::127.0.0.1", "a loopback"),
        ("64:ff9b::a9fe:a9fe", "a link-local"),
        ("64:ff9b:1::1.1.1.1", "a reserved"),
        ("2002:7f00:1::1", "a loopback"),
        ("2002:a00:1::1", "a private"),
        ("2002:a9fe:a9fe::", "a link-local"),
        ("::127.0.0.1", "a reserved"),
        ("::1.1.1.1", "a reserved"),
        ("::ffff:0:127.0.0.1", "a reserved"),
    ] {
        assert_eq!(refusal(address(text), &[]), Some(kind), "{text}");
    }
}

#[test]
fn the_operator_allows_networks_and_nothing_beside_them() {
    let allowed = ["10.0.0.0/8", "127.0.0.1/32", "fd00::/8"].map(network);
    for text in
        ["10.0.0.1", "10.255.255.255", "127.0.0.1", "fd12::1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1", "1.1.1.1"]
    {
        assert_eq!(refusal(address(text), &allowed), None, "{text}");
    }
    for text in ["127.0.0.2", "192.168.0.1", "169.254.169.254", "::1", "fc00::1", "::ffff:127.0.0.2", "::10.0.0.1"] {
        assert!(refusal(address(text), &allowed).is_some(), "{text}");
    }
    for everything in [&["0.0.0.0/0"].map(network)[..], &["::/0"].map(network)[..]] {
        assert_eq!(refusal(address("::ffff:127.0.0.1"), everything), None);
    }
    assert!(refusal(address("::1"), &["0.0.0.0/0"].map(network)).is_some());
}

#[test]
fn networks_are_read_strictly() {
    for text in ["10.0.0.0/8", "127.0.0.1/32", "0.0.0.0/0", "::/0", "::1/128", "fd00::/8", "128.0.0.0/1"] {
        assert!(network(text).contains(network(text).base), "{text}");
    }
    for text in [
        "",
        "10.0.0.0",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.1/8",
        "10.0/8",
        "10.0.0.0/-1",
        "fd00::/129",
        "fd00::1/8",
        "a/8",
    ] {
        assert_eq!(text.parse::<Network>(), Err(NoNetwork), "{text}");
    }
}

#[test]
fn a_url_is_shown_without_what_may_be_secret() {
    for (url, expected) in [
        ("http://example.com/a.png", "http://example.com/a.png"),
        ("https://example.com:8443/a/b.png?sig=s3cret#x", "https://example.com:8443/a/b.png"),
        ("https://example.com?sig=s3cret", "https://example.com"),
        ("https://example.com/a.png#s3cret", "https://example.com/a.png"),
        ("https://user:s3cret@example.com/a@b.png", "https://example.com/a@b.png"),
        ("https://user:s3cret@bad@example.com\\a", "https://example.com\\a"),
        ("s3cret", "an address without a scheme"),
    ] {
        assert_eq!(shown(url), expected);
    }
}
