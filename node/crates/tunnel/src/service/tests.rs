use zeroize::Zeroizing;

use super::*;
use crate::onion::{ClientKey, OnionKey};

fn address(seed: u8) -> OnionAddress {
    OnionKey::from_seed(Zeroizing::new([seed; 32])).address()
}

fn name(text: &str) -> ServiceName {
    text.parse().unwrap()
}

fn service(text: &str, seed: u8) -> Service {
    let port = Port { port: 80, target: "127.0.0.1:8080".parse().unwrap() };
    let key = KeyEntry { number: 1, address: address(seed), made_at: 1000, until: None };
    Service { name: name(text), ports: vec![port], clients: Vec::new(), keys: vec![key] }
}

fn list() -> List {
    List::default().with(service("gateway", 1)).unwrap().with(service("ssh", 2)).unwrap()
}

fn addresses(list: &List) -> Vec<OnionAddress> {
    list.services()[0].keys.iter().map(|key| key.address).collect()
}

#[test]
fn a_list_is_read_as_it_was_written() {
    let key = ClientKey::from_bytes(Zeroizing::new([3; 32])).public();
    let client = Client { name: "phone".parse().unwrap(), key };
    let list = list().with_clients(&name("gateway"), &[client], false).unwrap();
    let list = list.rotated(&name("ssh"), address(4), 5, Duration::from_secs(6)).unwrap();
    assert_eq!(List::parse(&list.bytes().unwrap()).unwrap(), list);
}

#[test]
fn the_former_address_stays_for_its_time_and_until_the_new_one_is_published() {
    let gateway = name("gateway");
    let grace = Duration::from_secs(100);
    let list = list().rotated(&gateway, address(9), 1000, grace).unwrap();
    assert_eq!(addresses(&list), [address(9), address(1)]);
    assert_eq!(list.get(&gateway).unwrap().address(), Some(address(9)));
    let error = list.rotated(&gateway, address(8), 1001, grace).unwrap_err();
    assert!(matches!(error, TunnelError::Rotating(_)), "{error}");
    for (now, published, expected) in
        [(1099, true, 0), (1100, false, 0), (1_000_000, false, 0), (1100, true, 1)]
    {
        let over = list.over(now, |asked| published && asked == address(9));
        assert_eq!(over.len(), expected, "{now} {published}");
    }
    let (key, old) = list.over(1100, |_| true).remove(0);
    assert_eq!((key.to_string().as_str(), old), ("onion-gateway-1", address(1)));
    let list = list.without_key(&key).unwrap();
    assert_eq!(addresses(&list), [address(9)]);
    let current = KeyName { service: gateway.clone(), number: 2 };
    assert_eq!(list.without_key(&current).unwrap(), list, "the current key stays");
    assert_eq!(list.next_number(&gateway).unwrap(), 3);
    assert_eq!(list.without(&gateway).unwrap().services().len(), 1);
}

#[test]
fn what_cannot_be_is_refused() {
    let change = |change: &dyn Fn(&mut Service)| {
        let mut one = service("other", 3);
        change(&mut one);
        list().with(one)
    };
    assert!(change(&|_| ()).is_ok());
    let wrong: [&dyn Fn(&mut Service); 8] = [
        &|one| one.name = name("ssh"),
        &|one| one.ports.clear(),
        &|one| one.ports.push(one.ports[0]),
        &|one| one.ports[0].port = 0,
        &|one| one.keys.clear(),
        &|one| one.keys[0].until = Some(1),
        &|one| one.keys.push(one.keys[0]),
        &|one| {
            let key = ClientKey::from_bytes(Zeroizing::new([3; 32])).public();
            let client = Client { name: "x".parse().unwrap(), key };
            one.clients = vec![client.clone(), client];
        },
    ];
    for (row, wrong) in wrong.into_iter().enumerate() {
        assert!(change(wrong).is_err(), "{row}");
    }
    assert!(list().rotated(&name("none"), address(5), 0, Duration::ZERO).is_err());
    assert!(
        list().rotated(&name("ssh"), address(5), 0, GRACE_MAX + Duration::from_secs(1)).is_err()
    );
    for text in ["", "Gateway", "1a", "-a", "a/b", "a.b", &"a".repeat(33)] {
        assert!(text.parse::<ServiceName>().is_err(), "{text}");
    }
}

#[test]
fn clients_come_and_go_and_nobody_is_let_in_by_accident() {
    let client = |name: &str, seed| {
        let key = ClientKey::from_bytes(Zeroizing::new([seed; 32])).public();
        Client { name: name.parse().unwrap(), key }
    };
    let gateway = name("gateway");
    let names = |list: &List| -> Vec<String> {
        let clients = &list.get(&gateway).unwrap().clients;
        clients.iter().map(|client| client.name.to_string()).collect()
    };
    let with = |list: &List, client, replaces| list.with_clients(&gateway, &[client], replaces);
    let one = with(&list(), client("phone", 1), false).unwrap();
    let both = with(&one, client("desk", 2), false).unwrap();
    assert_eq!(names(&both), ["phone", "desk"]);
    let again = with(&both, client("phone", 3), false).unwrap_err();
    assert!(matches!(again, TunnelError::ClientExists { .. }), "{again}");
    let anew = with(&both, client("phone", 3), true).unwrap();
    assert_eq!(names(&anew), ["desk", "phone"]);
    assert!(anew.get(&gateway).unwrap().clients.contains(&client("phone", 3)));

    let (phone, desk) = (client("phone", 1).name, client("desk", 2).name);
    let without = |names: &[ClientName], all| both.without_clients(&gateway, names, all);
    assert_eq!(names(&without(std::slice::from_ref(&phone), false).unwrap()), ["desk"]);
    let unknown = without(&["none".parse().unwrap()], true).unwrap_err();
    assert!(matches!(unknown, TunnelError::NoClient { .. }), "{unknown}");
    let last = without(&[phone.clone(), desk.clone()], false).unwrap_err();
    assert!(matches!(last, TunnelError::LastClient(_)), "{last}");
    assert!(names(&without(&[phone, desk], true).unwrap()).is_empty());
    assert!(list().with_clients(&name("none"), &[client("a", 1)], false).is_err());
}

#[test]
fn a_list_that_is_damaged_is_named() {
    let good = String::from_utf8(list().bytes().unwrap()).unwrap();
    for (from, to) in [
        ("\"version\":1", "\"version\":2"),
        ("\"version\":1,", ""),
        ("\"name\":\"ssh\"", "\"name\":\"gateway\""),
        ("\"name\":\"ssh\"", "\"name\":\"../ssh\""),
        ("\"port\":80", "\"port\":70000"),
        ("127.0.0.1:8080", "localhost:8080"),
        ("\"until\":null", "\"until\":null,\"more\":1"),
        (".onion", ".com"),
        ("}", ""),
    ] {
        let error = List::parse(good.replacen(from, to, 1).as_bytes()).unwrap_err();
        assert!(matches!(error, TunnelError::State(_)), "{from} {to}: {error}");
    }
    assert!(List::parse(&vec![b' '; LIST_BYTES_MAX as usize + 1]).is_err());
}
