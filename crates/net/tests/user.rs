//! The router with a client of smoltcp's as the guest on the other end of the cable, and servers on the host's loopback.

mod guest;

use guest::Guest;
use ringer_net::user::{DNS, Forward, GATEWAY, GUEST, UserConfig};
use smoltcp::socket::tcp::State;
use smoltcp::wire::Ipv4Address;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

/// A port of loopback that nobody has at the moment.
fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// A server that reads up to a line's end and answers with `bytes` that say where they stand, then ends.
fn server(bytes: usize) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut stream = stream;
                let mut byte = [0];
                while stream.read(&mut byte).unwrap_or(0) == 1 && byte[0] != b'\n' {}
                let _ = stream.write_all(&pattern(bytes));
            });
        }
    });
    port
}

fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at * 31 + at / 251) as u8).collect()
}

#[test]
fn the_guest_gets_a_lease() {
    let mut guest = Guest::new(&UserConfig::default());
    let lease = guest.lease();
    assert_eq!(lease.address.address(), GUEST);
    assert_eq!((lease.address.prefix_len(), lease.router), (24, Some(GATEWAY)));
    assert_eq!(lease.dns_servers[..], [DNS]);
}

#[test]
fn some_megabytes_come_from_the_hosts_loopback_and_both_ends_are_seen() {
    let port = server(5 << 20);
    let mut guest = Guest::configured(&UserConfig::default());
    let socket = guest.connect(GATEWAY, port);
    guest.send(socket, b"GET\n");
    let got = guest.read_to_end(socket);
    assert_eq!(got.len(), 5 << 20);
    assert!(got == pattern(5 << 20), "other bytes");
    guest.tcp(socket).close();
    guest.until("its end", |guest| {
        matches!(guest.tcp(socket).state(), State::TimeWait | State::Closed)
    });
}

#[test]
fn what_the_guest_sends_arrives_and_its_end_too() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let received = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut bytes = Vec::new();
        // A reader who takes his time: the guest has to wait.
        thread::sleep(Duration::from_millis(200));
        stream.read_to_end(&mut bytes).unwrap();
        stream.write_all(b"thanks").unwrap();
        bytes
    });
    let mut guest = Guest::configured(&UserConfig::default());
    let socket = guest.connect(GATEWAY, port);
    let all = pattern(3 << 20);
    guest.send(socket, &all);
    guest.tcp(socket).close();
    assert_eq!(guest.read_to_end(socket), b"thanks");
    assert!(received.join().unwrap() == all);
}

#[test]
fn a_refusal_and_a_reset_are_carried_over() {
    let mut guest = Guest::configured(&UserConfig::default());
    let socket = guest.ask(GATEWAY, free_port());
    guest.until("a refusal", |guest| guest.tcp(socket).state() == State::Closed);
    // The host resets.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let socket = guest.connect(GATEWAY, port);
    let (stream, _) = listener.accept().unwrap();
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    drop(stream);
    guest.until("a reset", |guest| guest.tcp(socket).state() == State::Closed);
    // The guest resets.
    let socket = guest.connect(GATEWAY, port);
    let (mut stream, _) = listener.accept().unwrap();
    guest.tcp(socket).abort();
    guest.turn();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let waited = thread::spawn(move || stream.read(&mut [0; 1]).unwrap_err().kind());
    guest.until("the host's error", |_| waited.is_finished());
    assert_eq!(waited.join().unwrap(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn nobody_is_reached_where_nobody_may_be() {
    let port = server(4);
    let mut guest = Guest::configured(&UserConfig { restrict: true, ..UserConfig::default() });
    for (address, port) in [(GATEWAY, port), (Ipv4Addr::new(192, 0, 2, 1), 80)] {
        let socket = guest.ask(address, port);
        guest.until("a refusal", |guest| guest.tcp(socket).state() == State::Closed);
    }
}

#[test]
fn many_connections_at_once_and_no_more_than_there_may_be() {
    let port = server(1000);
    let mut guest = Guest::configured(&UserConfig::default());
    for _ in 0..2 {
        let sockets: Vec<_> = (0..100).map(|_| guest.ask(GATEWAY, port)).collect();
        for socket in &sockets {
            guest.until("a connection", |guest| guest.tcp(*socket).may_send());
            guest.send(*socket, b"\n");
        }
        for socket in sockets {
            assert!(guest.read_to_end(socket) == pattern(1000));
            guest.tcp(socket).close();
        }
    }
    // Those that are over make room: of more than may be some wait.
    let sockets: Vec<_> = (0..150).map(|_| guest.ask(GATEWAY, port)).collect();
    for _ in 0..200 {
        guest.turn();
        thread::sleep(Duration::from_millis(1));
    }
    let open = sockets.iter().filter(|socket| guest.tcp(**socket).may_send()).count();
    assert!((100..=128).contains(&open), "{open}");
}

#[test]
fn names_are_asked_of_the_hosts_resolver() {
    let resolver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = resolver.local_addr().unwrap();
    thread::spawn(move || {
        let mut question = [0; 512];
        while let Ok((len, from)) = resolver.recv_from(&mut question) {
            question[..len].reverse();
            resolver.send_to(&question[..len], from).unwrap();
        }
    });
    let mut guest = Guest::configured(&UserConfig { resolver: address, ..UserConfig::default() });
    let (answer, from) = guest.exchange(5000, (DNS, 53), b"who is who");
    assert_eq!((&answer[..], from), (&b"ohw si ohw"[..], (DNS, 53)));
}

#[test]
fn datagrams_are_echoed_by_the_hosts_loopback_long_ones_in_fragments() {
    let echo = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = echo.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut bytes = [0; 2000];
        while let Ok((len, from)) = echo.recv_from(&mut bytes) {
            let answer = bytes[..len].repeat(if len > 1000 { 3 } else { 1 });
            echo.send_to(&answer, from).unwrap();
        }
    });
    let mut guest = Guest::configured(&UserConfig::default());
    let (answer, from) = guest.exchange(5000, (GATEWAY, port), b"hello");
    assert_eq!((&answer[..], from), (&b"hello"[..], (GATEWAY, port)));
    guest.watch_fragments();
    guest.post(5001, (GATEWAY, port), &[7; 1200]);
    guest.until("three fragments", |guest| guest.fragments() == [1480, 1480, 648]);
}

#[test]
fn the_router_answers_pings_to_itself_alone() {
    let mut guest = Guest::configured(&UserConfig::default());
    assert!(guest.ping(GATEWAY) && guest.ping(DNS));
    assert!(!guest.ping(Ipv4Address::new(10, 0, 2, 4)));
}

#[test]
fn a_port_of_the_hosts_leads_to_the_guest() {
    let host: SocketAddr = (Ipv4Addr::LOCALHOST, free_port()).into();
    let forward = Forward { host, guest: GUEST, port: 22 };
    let config = UserConfig { forwards: vec![forward], restrict: true, ..UserConfig::default() };
    let mut guest = Guest::configured(&config);
    let socket = guest.listen(22);
    let client = thread::spawn(move || {
        let mut stream = TcpStream::connect(host).unwrap();
        stream.write_all(b"knock\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    });
    guest.until("a visitor", |guest| guest.tcp(socket).can_recv());
    let mut bytes = [0; 6];
    assert_eq!(guest.tcp(socket).recv_slice(&mut bytes), Ok(6));
    guest.send(socket, b"who is it?");
    guest.tcp(socket).close();
    guest.until("the answer's reader", |_| client.is_finished());
    assert_eq!((&bytes, &client.join().unwrap()[..]), (b"knock\n", &b"who is it?"[..]));
    // Nobody listens: the visitor is sent away.
    let client =
        thread::spawn(move || TcpStream::connect(host).unwrap().read(&mut [0]).unwrap_err());
    guest.until("a refusal", |_| client.is_finished());
    assert_eq!(client.join().unwrap().kind(), std::io::ErrorKind::ConnectionReset);
    // A port that is taken is an error that says so.
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let forward = Forward { host: taken.local_addr().unwrap(), ..forward };
    let config = UserConfig { forwards: vec![forward], ..UserConfig::default() };
    let error = ringer_net::Network::user(&config, ringer_devices::Mac::DEFAULT).unwrap_err();
    assert!(error.to_string().contains("choose another port"), "{error}");
}

#[test]
fn frames_of_all_kinds_do_no_harm() {
    let port = server(100_000);
    let mut guest = Guest::configured(&UserConfig::default());
    let socket = guest.connect(GATEWAY, port);
    guest.send(socket, b"go\n");
    // What a well-behaved guest sends, cut, bent and repeated, between what it really sends.
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    guest.remember_sent();
    let mut got = Vec::new();
    let began = std::time::Instant::now();
    while got.len() < 100_000 {
        assert!(began.elapsed() < Duration::from_secs(60), "{} bytes have come", got.len());
        got.extend(guest.read(socket));
        for mut frame in guest.remembered() {
            for _ in 0..20 {
                for _ in 0..=next() % 4 {
                    let at = (next() >> 8) as usize % frame.len();
                    // The ports of the connection that is watched, which a bent frame could end, stay as they are not.
                    frame[at] = next() as u8;
                }
                if frame.len() > 36 {
                    frame[34..36].copy_from_slice(&[0, 7]);
                }
                // Nor would answers reach a guest that says that it is another.
                frame[6..12].copy_from_slice(&ringer_devices::Mac::DEFAULT.0);
                let len = (next() >> 8) as usize % (frame.len() + 1);
                guest.raw(&frame[..len]);
                guest.raw(&frame);
            }
        }
    }
    assert!(got == pattern(100_000));
    assert!(guest.ping(GATEWAY), "the router lives");
}
