use super::*;

fn limits(connections: usize, connections_per_address: usize) -> Limits {
    Limits {
        connections,
        connections_per_address,
        ..Limits::default()
    }
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// Whether a connection was told to make room.
fn leaves(admitted: &Admitted) -> bool {
    admitted.connection().order() == state::Order::Leave
}

#[test]
fn the_longest_idle_makes_room() {
    let connections = Connections::new(limits(2, 9));
    let here = address("192.0.2.1");
    let first = connections.admit(here).expect("room");
    let second = connections.admit(here).expect("room");
    // The first one has an answered request behind it: it is idle for a shorter time.
    drop(first.connection().begin(false));
    let _standing = first.connection().settle();
    let third = connections.admit(here).expect("the second makes room");
    assert_eq!((leaves(&first), leaves(&second)), (false, true));
    drop(second);
    let _fourth = connections.admit(here).expect("the first makes room");
    assert_eq!((leaves(&first), leaves(&third)), (true, false));
}

#[test]
fn who_sends_headers_is_as_quiet_as_who_is_idle_and_who_is_busy_stays() {
    let connections = Connections::new(limits(3, 9));
    let here = address("192.0.2.1");
    let [busy, heading, idle] = [(); 3].map(|()| connections.admit(here).expect("room"));
    let _running = busy.connection().begin(false);
    heading.connection().heard();
    for admitted in [&busy, &heading, &idle] {
        let _standing = admitted.connection().settle();
    }
    let new = connections.admit(here).expect("room is made");
    assert!(leaves(&heading) && !leaves(&idle));
    let _another = connections.admit(here).expect("room is made");
    assert!(leaves(&idle) && !leaves(&new) && !leaves(&busy));
}

#[test]
fn all_busy_is_full() {
    let connections = Connections::new(limits(9, 1));
    let (here, there) = (address("192.0.2.1"), address("192.0.2.2"));
    let busy = connections.admit(here).expect("room");
    let running = busy.connection().begin(false);
    assert!(!busy.connection().settle().is_quiet);
    assert!(connections.admit(here).is_none());
    let _other = connections.admit(there).expect("another address");
    assert!(!leaves(&busy));
    drop(running);
    assert!(busy.connection().settle().is_quiet);
    let _new = connections.admit(here).expect("room is made");
    assert!(leaves(&busy));
}

#[test]
fn who_was_told_and_has_a_request_meanwhile_stays() {
    let connections = Connections::new(limits(1, 9));
    let here = address("192.0.2.1");
    let first = connections.admit(here).expect("room");
    let second = connections.admit(here).expect("room is made");
    assert!(leaves(&first));
    let _running = first.connection().begin(false);
    let _standing = first.connection().settle();
    first.connection().stay();
    assert!(!leaves(&first));
    let _third = connections.admit(here).expect("room is made");
    assert!(leaves(&second), "there is one too many");
}

#[test]
fn what_waits_to_be_sent_keeps_a_connection_busy() {
    let connections = Connections::new(limits(1, 9));
    let here = address("192.0.2.1");
    let first = connections.admit(here).expect("room");
    let connection = first.connection();
    drop(connection.begin(false));
    connection.wrote(false);
    assert!(!connection.settle().is_quiet);
    assert!(connections.admit(here).is_none());
    connection.wrote(true);
    assert!(connection.settle().is_quiet);
}

#[test]
fn nothing_is_left_on_the_list() {
    let connections = Connections::new(limits(2, 2));
    for round in 0..20_u8 {
        let all: Vec<_> = (0..4)
            .map(|_| connections.admit(address(&format!("2001:db8::{round}"))))
            .collect();
        assert!(all.iter().all(Option::is_some));
        let first = all[0].as_ref().expect("admitted").connection();
        let running = first.begin(false);
        let _standing = first.settle();
        drop(all);
        drop(running);
    }
    let list = connections.list.lock();
    assert!(list.open.is_empty() && list.sources.is_empty());
    let Group { open, told, quiet } = &list.all;
    assert_eq!((*open, *told, quiet.len()), (0, 0, 0));
}

#[test]
fn a_network_of_64_bits_is_one_address() {
    let of = |text| source(address(text));
    assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
    assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
}
