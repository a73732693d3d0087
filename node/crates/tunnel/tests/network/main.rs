//! A real tor in a network of its own on loopback.

#[test]
fn starts() {
    let t = std::time::Instant::now();
    let n = lucid_tunnel_testing::Network::start(&Default::default()).unwrap();
    println!("{:?} {}", t.elapsed(), n.clients.len());
}
