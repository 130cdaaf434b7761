//! Clients that go away, dawdle, or come in crowds.

use std::{
    io::{BufReader, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit};
use serde_json::Value;
use socket2::{Domain, Socket, Type};

use crate::support::{PATIENCE, Running, get, open, until, until_true};

/// The value of a metric that has no labels but its service's.
fn metric(running: &Running, name: &str) -> Option<u64> {
    let text = get(running.internal, "/metrics").1;
    let line = text.lines().find(|line| {
        let rest = line.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with([' ', '{']))
    });
    line?.rsplit(' ').next()?.parse().ok()
}

fn answering(running: &Running, count: u64) {
    until_true(|| metric(running, "http_server_active_requests") == Some(count));
}

fn connected(running: &Running, count: u64) {
    until_true(|| metric(running, "http_server_open_connections") == Some(count));
}

/// A connection that is kept after an answer.
struct Kept(BufReader<TcpStream>);

impl Kept {
    fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    fn ask(&mut self) {
        self.send("GET /health HTTP/1.1\r\nHost: sample.localhost\r\n\r\n");
    }

    fn is_answered(&mut self) {
        let head = until(&mut self.0, "\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let mut body = [0; 15];
        self.0.read_exact(&mut body).unwrap();
        assert_eq!(&body, br#"{"status":"ok"}"#);
    }

    /// Whether the other side has ended it; waits a moment for that.
    fn is_over(&mut self) -> bool {
        let stream = self.0.get_mut();
        stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        match stream.read(&mut [0; 100]) {
            Ok(0) => true,
            Ok(_) => panic!("nobody asked for anything"),
            Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        }
    }
}

#[test]
fn a_request_is_dropped_when_its_client_goes_away() {
    let running = Running::start(&[("HTTP__DEADLINE_MS", "3600000")]);
    let waiting = open(running.public, "POST /v1/auth/reset?how=slow");
    answering(&running, 1);
    drop(waiting);
    answering(&running, 0);
    connected(&running, 0);
}

/// Asks for an answer without end, in pieces of `size` bytes, and never reads it.
fn never_reads(address: SocketAddr, size: u32) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    // Small, so that what the kernel keeps for a client is soon full.
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&address.into()).unwrap();
    let mut stream = TcpStream::from(socket);
    let path = format!("/.well-known/openid-configuration?count=4294967295&size={size}");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: sample\r\n\r\n").unwrap();
    // It is there, and stays where it is.
    assert_eq!(stream.peek(&mut [0]).unwrap(), 1);
    stream
}

#[test]
fn a_client_that_takes_nothing_of_its_answer_is_cut_off() {
    let running = Running::start(&[("HTTP__STALL_S", "1")]);
    let _client = never_reads(running.public, 1_000_000);
    connected(&running, 0);
    assert_eq!(get(running.public, "/health").0, 200);
}

#[test]
fn a_client_that_takes_nothing_of_a_stream_is_cut_off_however_little_comes_in_it() {
    let running = Running::start(&[("HTTP__STALL_S", "1")]);
    let _client = never_reads(running.public, 100);
    connected(&running, 0);
}

#[test]
fn a_stream_whose_client_reads_now_and_then_goes_on() {
    let running = Running::start(&[("HTTP__STALL_S", "1"), ("HTTP__IDLE_S", "1"), ("HTTP__HEAD_S", "1")]);
    let mut stream = open(running.public, "POST /v1/auth/refresh");
    until(&mut stream, "hello\n");
    // Longer than every limit: an idle connection is closed meanwhile.
    let mut idle = Kept::to(running.public);
    until_true(|| idle.is_over());
    running.signal(Signal::TERM);
    until(&mut stream, "goodbye\n");
    assert_eq!(running.end().0, Some(0));
}

#[test]
fn a_request_whose_head_does_not_end_is_cut_off_however_slowly_it_goes_on() {
    let running = Running::start(&[("HTTP__HEAD_S", "1")]);
    let mut kept = Kept::to(running.public);
    kept.ask();
    kept.is_answered();
    let mut slow = Kept::to(running.public);
    slow.send("GET /health HTTP/1.1\r\nHost: sample\r\nX-Slow: ");
    // A byte that arrives at a closed connection is answered by its reset.
    until_true(|| slow.0.get_mut().write_all(b"x").is_err() || slow.is_over());
    // That limit is not the one between requests.
    kept.ask();
    kept.is_answered();
}

#[test]
fn a_connection_on_which_nothing_happens_is_closed() {
    let running = Running::start(&[("HTTP__IDLE_S", "1")]);
    let mut silent = Kept::to(running.public);
    let mut kept = Kept::to(running.public);
    kept.ask();
    kept.is_answered();
    until_true(|| silent.is_over());
    until_true(|| kept.is_over());
    connected(&running, 0);
}

#[test]
fn idle_connections_are_closed_and_new_ones_refused_when_it_stops() {
    let running = Running::start(&[]);
    let (mut silent, mut kept) = (Kept::to(running.public), Kept::to(running.public));
    kept.ask();
    kept.is_answered();
    let mut stream = open(running.public, "GET /.well-known/openid-configuration?count=50");
    let mut text = until(&mut stream, "piece 0\n");
    connected(&running, 3);
    running.signal(Signal::TERM);
    until_true(|| silent.is_over());
    until_true(|| kept.is_over());
    until_true(|| TcpStream::connect(running.public).is_err());
    stream.read_to_string(&mut text).unwrap();
    assert!(text.contains("piece 49\n"), "{text}");
    assert_eq!(running.end().0, Some(0));
}

#[test]
fn clients_that_come_when_there_is_no_room_wait_until_there_is() {
    let running = Running::start(&[("HTTP__MAX_CONNECTIONS", "2")]);
    let (mut first, mut second) = (Kept::to(running.public), Kept::to(running.public));
    for kept in [&mut first, &mut second] {
        kept.ask();
        kept.is_answered();
    }
    let mut third = Kept::to(running.public);
    third.ask();
    connected(&running, 2);
    assert!(!third.is_over());
    drop(first);
    third.0.get_mut().set_read_timeout(Some(PATIENCE)).unwrap();
    third.is_answered();
    running.signal(Signal::TERM);
    let (code, log) = running.end();
    let told = |line: &&Value| {
        line["message"]
            .as_str()
            .is_some_and(|text| text.contains("http.max_connections"))
    };
    assert_eq!((code, log.iter().filter(told).count()), (Some(0), 1), "{log:#?}");
}

#[test]
fn without_file_descriptors_clients_wait_and_the_listener_lives_on() {
    let running = Running::start(&[]);
    let pid = Pid::from_child(&running.child);
    let used = std::fs::read_dir(format!("/proc/{}/fd", running.child.id()))
        .unwrap()
        .count();
    let few = Rlimit {
        // A few for what the process itself opens meanwhile.
        current: Some(used as u64 + 40),
        ..getrlimit(Resource::Nofile)
    };
    prlimit(Some(pid), Resource::Nofile, few).unwrap();
    let mut crowd: Vec<Kept> = (0..100).map(|_| Kept::to(running.public)).collect();
    for kept in &mut crowd {
        kept.ask();
    }
    // Whoever is answered goes, and makes room for the next.
    for mut kept in crowd {
        kept.is_answered();
    }
    assert_eq!(get(running.public, "/health").0, 200);
    running.signal(Signal::TERM);
    let (code, log) = running.end();
    let told = |line: &Value| line["message"] == "connections cannot be accepted";
    assert_eq!((code, log.iter().any(told)), (Some(0), true), "{log:#?}");
}
