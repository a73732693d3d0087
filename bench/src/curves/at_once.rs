//! Many sessions at once: uploads to a node that serves, begun one right after the other.

use std::{fs, path::Path, thread, time::Instant};

use anyhow::{Context, Result, anyhow};
use serde_json::json;

use super::{Axis, Point};
use crate::{
    http::{
        client::{Client, Connection},
        server::{Server, Wallet},
    },
    inputs::{self, ByteCount, Kind},
    node::clear,
    process::Usage,
};

/// Memory that a client's thread needs: it only sends a file.
const STACK_BYTES: usize = 128 << 10;

/// Uploads `bytes`, divided among so many sessions, for each of `counts`.
pub(super) fn measure(
    program: &Path,
    folder: &Path,
    bytes: u64,
    counts: &[u32],
) -> Result<Vec<Point>> {
    let wallet = Wallet::new(program, folder)?;
    counts.iter().map(|count| one(program, folder, &wallet, bytes, *count)).collect()
}

fn one(program: &Path, folder: &Path, wallet: &Wallet, bytes: u64, count: u32) -> Result<Point> {
    let size = ByteCount(bytes / u64::from(count));
    let plain = inputs::ensure(folder, Kind::Incompressible, size)?;
    let data = folder.join("data");
    clear(&data)?;
    let (server, _) = Server::start(program, &data, wallet)?;
    let client = Client::sign_in(server.address, program, wallet)?;
    let sessions: Vec<String> =
        (0..count).map(|_| client.mint(&json!({}))).collect::<Result<_>>()?;
    let before_s = server.processor_s()?;
    let wall_s = thread::scope(|scope| {
        let (start, mut uploads) = (Instant::now(), Vec::new());
        for session in &sessions {
            let (client, plain) = (&client, &plain);
            let upload = move || Connection::upload(client, session, plain);
            let thread = thread::Builder::new().stack_size(STACK_BYTES);
            uploads.push(thread.spawn_scoped(scope, upload)?);
        }
        for upload in uploads {
            upload.join().map_err(|_| anyhow!("an upload panicked"))??;
        }
        Ok::<_, anyhow::Error>(start.elapsed().as_secs_f64())
    })
    .with_context(|| format!("{count} uploads at once"))?;
    let after_s = server.processor_s()?;
    let [user_s, system_s] = [0, 1].map(|place| after_s[place] - before_s[place]);
    let usage = Usage { wall_s, user_s, system_s, others: 0.0, peak_bytes: server.peak_bytes()? };
    drop(server);
    clear(&data)?;
    fs::remove_file(data.with_extension("log"))?;
    let (axis, place, plain_bytes) = (Axis::AtOnce, count.into(), Some(size.0 * u64::from(count)));
    Ok(Point { axis, place, work: "upload".to_owned(), plain_bytes, usage })
}
