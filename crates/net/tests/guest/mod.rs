//! A guest: smoltcp on its end of the cable.

use ringer_devices::{Link, Mac};
use ringer_net::user::{DNS, GATEWAY, GUEST, UserConfig};
use ringer_net::{Network, Stopper};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{ChecksumCapabilities, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::{dhcpv4, icmp, tcp, udp};
use smoltcp::time::Instant;
use smoltcp::wire::{
    EthernetAddress, HardwareAddress, Icmpv4Packet, Icmpv4Repr, IpAddress, IpCidr, Ipv4Address,
    Ipv4Cidr, Ipv4Packet,
};
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant as Now};

/// How long anything may take, on a host that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

struct Wire {
    link: Box<dyn Link>,
    come: Receiver<Vec<u8>>,
    fragments: Option<Vec<usize>>,
    sent: Option<VecDeque<Vec<u8>>>,
}

struct Come(Vec<u8>);
struct Go<'a>(&'a mut Box<dyn Link>, &'a mut Option<VecDeque<Vec<u8>>>);

impl RxToken for Come {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl TxToken for Go<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.0.send(&frame);
        if let Some(sent) = self.1 {
            sent.push_back(frame);
            sent.truncate(50);
        }
        result
    }
}

impl Device for Wire {
    type RxToken<'a> = Come;
    type TxToken<'a> = Go<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Come, Go<'_>)> {
        let frame = self.come.try_recv().ok()?;
        if let Some(fragments) = &mut self.fragments
            && let Ok(packet) = Ipv4Packet::new_checked(&frame[14..])
        {
            assert!(packet.verify_checksum());
            if packet.more_frags() || packet.frag_offset() != 0 {
                fragments.push(packet.payload().len());
            }
        }
        Some((Come(frame), Go(&mut self.link, &mut self.sent)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Go<'_>> {
        Some(Go(&mut self.link, &mut self.sent))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities
    }
}

pub struct Lease {
    pub address: Ipv4Cidr,
    pub router: Option<Ipv4Address>,
    pub dns_servers: Vec<Ipv4Address>,
}

pub struct Guest {
    wire: Wire,
    interface: Interface,
    sockets: SocketSet<'static>,
    began: Now,
    port: u16,
    stopper: Stopper,
    thread: Option<JoinHandle<()>>,
}

impl Guest {
    /// A guest without an address.
    pub fn new(config: &UserConfig) -> Self {
        let network = Network::user(config, Mac::DEFAULT).unwrap();
        let (link, stopper) = (network.link(), network.stopper());
        // An inbox that is full now and then.
        let (near, come) = sync_channel(64);
        let thread = thread::spawn(move || {
            network.run(move |frame: &[u8]| near.try_send(frame.to_vec()).is_ok());
        });
        let mut wire = Wire { link, come, fragments: None, sent: None };
        let address = HardwareAddress::Ethernet(EthernetAddress(Mac::DEFAULT.0));
        let interface = Interface::new(Config::new(address), &mut wire, Instant::ZERO);
        let (sockets, began) = (SocketSet::new(Vec::new()), Now::now());
        Self { wire, interface, sockets, began, port: 40_000, stopper, thread: Some(thread) }
    }

    /// One that has the address that DHCP would give it.
    pub fn configured(config: &UserConfig) -> Self {
        let mut guest = Self::new(config);
        guest.interface.update_ip_addrs(|addresses| {
            addresses.push(IpCidr::Ipv4(Ipv4Cidr::new(GUEST, 24))).unwrap();
        });
        guest.interface.routes_mut().add_default_ipv4_route(GATEWAY).unwrap();
        guest
    }

    /// A turn of its loop.
    pub fn turn(&mut self) {
        let now = Instant::from_micros(self.began.elapsed().as_micros() as i64);
        self.interface.poll(now, &mut self.wire, &mut self.sockets);
    }

    pub fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let began = Now::now();
        while !done(self) {
            assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
            self.turn();
            thread::sleep(Duration::from_micros(50));
        }
    }

    pub fn lease(&mut self) -> Lease {
        let socket = self.sockets.add(dhcpv4::Socket::new());
        let mut found = None;
        self.until("a lease", |guest| {
            let event = guest.sockets.get_mut::<dhcpv4::Socket<'_>>(socket).poll();
            if let Some(dhcpv4::Event::Configured(config)) = event {
                let dns_servers = config.dns_servers.to_vec();
                found = Some(Lease { address: config.address, router: config.router, dns_servers });
            }
            found.is_some()
        });
        found.unwrap()
    }

    pub fn tcp(&mut self, socket: SocketHandle) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(socket)
    }

    fn tcp_socket() -> tcp::Socket<'static> {
        let buffer = || tcp::SocketBuffer::new(vec![0; 64 << 10]);
        tcp::Socket::new(buffer(), buffer())
    }

    /// Asks for a connection.
    pub fn ask(&mut self, address: Ipv4Address, port: u16) -> SocketHandle {
        let mut socket = Self::tcp_socket();
        self.port += 1;
        socket.connect(self.interface.context(), (address, port), self.port).unwrap();
        self.sockets.add(socket)
    }

    pub fn connect(&mut self, address: Ipv4Address, port: u16) -> SocketHandle {
        let socket = self.ask(address, port);
        self.until("a connection", |guest| guest.tcp(socket).may_send());
        socket
    }

    pub fn listen(&mut self, port: u16) -> SocketHandle {
        let mut socket = Self::tcp_socket();
        socket.listen(port).unwrap();
        self.sockets.add(socket)
    }

    pub fn send(&mut self, socket: SocketHandle, bytes: &[u8]) {
        let mut rest = bytes;
        self.until("room", |guest| {
            let sent = guest.tcp(socket).send_slice(rest).unwrap();
            rest = &rest[sent..];
            rest.is_empty()
        });
    }

    /// What has come.
    pub fn read(&mut self, socket: SocketHandle) -> Vec<u8> {
        self.turn();
        let mut bytes = vec![0; 64 << 10];
        let len = self.tcp(socket).recv_slice(&mut bytes).unwrap_or(0);
        bytes.truncate(len);
        bytes
    }

    pub fn read_to_end(&mut self, socket: SocketHandle) -> Vec<u8> {
        let mut all = Vec::new();
        self.until("the end", |guest| {
            let bytes = guest.read(socket);
            all.extend_from_slice(&bytes);
            bytes.is_empty() && !guest.tcp(socket).may_recv()
        });
        all
    }

    fn udp(&mut self, port: u16) -> SocketHandle {
        let buffer =
            || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 8], vec![0; 16 << 10]);
        let mut socket = udp::Socket::new(buffer(), buffer());
        socket.bind(port).unwrap();
        self.sockets.add(socket)
    }

    /// Sends a datagram from `port`.
    pub fn post(&mut self, port: u16, to: (Ipv4Address, u16), bytes: &[u8]) -> SocketHandle {
        let socket = self.udp(port);
        self.sockets.get_mut::<udp::Socket<'_>>(socket).send_slice(bytes, to).unwrap();
        self.turn();
        socket
    }

    /// The same, and what comes back, from whom.
    pub fn exchange(
        &mut self,
        port: u16,
        to: (Ipv4Address, u16),
        bytes: &[u8],
    ) -> (Vec<u8>, (Ipv4Address, u16)) {
        let socket = self.post(port, to, bytes);
        let mut answer = None;
        self.until("an answer", |guest| {
            let socket = guest.sockets.get_mut::<udp::Socket<'_>>(socket);
            if let Ok((bytes, meta)) = socket.recv() {
                let IpAddress::Ipv4(from) = meta.endpoint.addr;
                answer = Some((bytes.to_vec(), (from, meta.endpoint.port)));
            }
            answer.is_some()
        });
        answer.unwrap()
    }

    /// Whether somebody answers there: a second and a half is long where nobody does.
    pub fn ping(&mut self, to: Ipv4Address) -> bool {
        let buffer =
            || icmp::PacketBuffer::new(vec![icmp::PacketMetadata::EMPTY; 4], vec![0; 1 << 10]);
        let mut socket = icmp::Socket::new(buffer(), buffer());
        socket.bind(icmp::Endpoint::Ident(77)).unwrap();
        let echo = Icmpv4Repr::EchoRequest { ident: 77, seq_no: 1, data: b"are you there?" };
        let place = socket.send(echo.buffer_len(), to.into()).unwrap();
        echo.emit(&mut Icmpv4Packet::new_unchecked(place), &ChecksumCapabilities::default());
        let socket = self.sockets.add(socket);
        let began = Now::now();
        let mut answered = false;
        let patience =
            if [GATEWAY, DNS].contains(&to) { PATIENCE } else { Duration::from_millis(1500) };
        while !answered && began.elapsed() < patience {
            self.turn();
            thread::sleep(Duration::from_micros(100));
            answered = self.sockets.get_mut::<icmp::Socket<'_>>(socket).can_recv();
        }
        self.sockets.remove(socket);
        answered
    }

    pub fn watch_fragments(&mut self) {
        self.wire.fragments = Some(Vec::new());
    }

    /// Bytes of the fragments that have come.
    pub fn fragments(&self) -> Vec<usize> {
        self.wire.fragments.clone().unwrap_or_default()
    }

    pub fn remember_sent(&mut self) {
        self.wire.sent = Some(VecDeque::new());
    }

    /// Frames that were sent since the last call, some of them.
    pub fn remembered(&mut self) -> VecDeque<Vec<u8>> {
        self.wire.sent.replace(VecDeque::new()).unwrap_or_default()
    }

    /// Sends anything.
    pub fn raw(&mut self, frame: &[u8]) {
        self.wire.link.send(frame);
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.stopper.stop();
        if let Some(thread) = self.thread.take() {
            // A panic of the network's thread is the test's.
            assert!(thread.join().is_ok() || thread::panicking(), "the network panicked");
        }
    }
}
