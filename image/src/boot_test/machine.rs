//! A machine under QEMU: started, listened to on its console, and stopped as a machine is or as no machine wants to be.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, sync_channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use super::console::{Script, Step, plain};
use crate::call::{Call, last_lines};

/// Of a Raspberry Pi 4 with the least memory that it is sold with.
const MEMORY_MIB: u32 = 1024;

/// What a machine is started with.
#[derive(Clone, Debug)]
pub(super) struct Hardware {
    pub(super) kernel: PathBuf,
    pub(super) initramfs: PathBuf,
    pub(super) command_line: String,
    /// Ports of this machine that lead to its SSH and to its node.
    pub(super) ssh: u16,
    pub(super) node: u16,
}

/// A machine that runs. One that is dropped is killed.
#[derive(Debug)]
pub(super) struct Machine {
    child: Child,
    began: Instant,
    lines: Receiver<Vec<u8>>,
    log: PathBuf,
}

impl Hardware {
    /// The command that starts it with a card. Where `writes` is given, every write and flush of the card goes there.
    fn call(&self, card: &Path, writes: Option<&Path>) -> Call {
        // The file of the card is written through the host's memory; what the guest flushes is flushed to the disk.
        let mut words: Vec<String> =
            ["-M", "virt", "-cpu", "cortex-a72", "-smp", "1"].map(str::to_owned).into();
        words.extend(
            ["-m", &MEMORY_MIB.to_string(), "-nodefaults", "-display", "none"].map(str::to_owned),
        );
        words.extend(["-no-reboot", "-serial", "stdio"].map(str::to_owned));
        let mut pair = |option: &str, value: String| words.extend([option.to_owned(), value]);
        pair("-kernel", self.kernel.display().to_string());
        pair("-initrd", self.initramfs.display().to_string());
        pair("-append", self.command_line.clone());
        pair(
            "-blockdev",
            format!(
                "driver=file,node-name=file,filename={},discard=unmap,cache.no-flush=off",
                card.display()
            ),
        );
        pair("-blockdev", "driver=raw,node-name=card,file=file,cache.no-flush=off".to_owned());
        if let Some(writes) = writes {
            pair("-blockdev", format!("driver=file,node-name=log,filename={}", writes.display()));
            pair(
                "-blockdev",
                "driver=blklogwrites,node-name=cut,file=card,log=log,log-sector-size=512"
                    .to_owned(),
            );
        }
        let drive = if writes.is_some() { "cut" } else { "card" };
        pair("-device", format!("virtio-blk-device,drive={drive},write-cache=on"));
        pair(
            "-netdev",
            format!(
                "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{}-:22,hostfwd=tcp:127.0.0.1:{}-:8080",
                self.ssh, self.node
            ),
        );
        pair("-device", "virtio-net-device,netdev=net".to_owned());
        pair("-device", "virtio-rng-device".to_owned());
        Call::new("qemu-system-aarch64", words)
    }

    /// Starts it. Its console goes to `log`, too.
    ///
    /// # Errors
    /// Where QEMU cannot be started, or a file cannot be written.
    pub(super) fn start(&self, card: &Path, writes: Option<&Path>, log: &Path) -> Result<Machine> {
        let name = || format!("writing {}", log.display());
        let mut file = File::create(log).with_context(name)?;
        let call = self.call(card, writes);
        let mut command = call.command(Path::new("."));
        command.stdout(Stdio::piped()).stderr(file.try_clone().with_context(name)?);
        let mut child = command.spawn().with_context(|| {
            format!("running {}, of Debian's package qemu-system-arm", call.program)
        })?;
        let console = child.stdout.take().context("QEMU has no standard output")?;
        let (sender, lines) = sync_channel(4096);
        thread::spawn(move || {
            let mut console = BufReader::new(console);
            let mut line = Vec::new();
            // It ends when QEMU does, or nobody listens any more.
            while console
                .by_ref()
                .take(1 << 16)
                .read_until(b'\n', &mut line)
                .is_ok_and(|count| count > 0)
            {
                if file.write_all(&line).is_err() || sender.send(std::mem::take(&mut line)).is_err()
                {
                    break;
                }
            }
        });
        Ok(Machine { child, began: Instant::now(), lines, log: log.to_owned() })
    }
}

impl Machine {
    /// Waits until all that the script waits for was on the console.
    ///
    /// # Errors
    /// The line that the machine is lost with, or the one that did not come in its time, with the last ones that did.
    pub(super) fn wait(
        &mut self,
        script: &mut Script,
        progress: &mut impl FnMut(&str),
    ) -> Result<()> {
        let mut last = String::new();
        while let Some(wait) = script.next() {
            let until = Instant::now() + wait.within;
            loop {
                let line = match self
                    .lines
                    .recv_timeout(until.saturating_duration_since(Instant::now()))
                {
                    Ok(line) => plain(&line),
                    Err(why) => {
                        let what = match why {
                            RecvTimeoutError::Timeout => {
                                format!("did not come within {} s", wait.within.as_secs())
                            }
                            RecvTimeoutError::Disconnected => "did not come: QEMU ended".to_owned(),
                        };
                        bail!(
                            "{} {what}; the last lines: {} (all of it in {})",
                            wait.what,
                            last_lines(&last),
                            self.log.display()
                        );
                    }
                };
                match script.take(&line, self.began.elapsed().as_secs_f64()) {
                    Step::On => {
                        last.push_str(&line);
                        last.push('\n');
                        let over = last.len().saturating_sub(4096);
                        last.drain(..last.ceil_char_boundary(over));
                    }
                    Step::Seen | Step::Done => {
                        progress(&line);
                        break;
                    }
                    Step::Lost(line) => {
                        bail!("the console says {line:?} (all of it in {})", self.log.display())
                    }
                }
            }
        }
        Ok(())
    }

    /// Waits until it has switched itself off.
    ///
    /// # Errors
    /// Where it does not; QEMU's own.
    pub(super) fn ended(&mut self, within: Duration) -> Result<()> {
        let until = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait().context("waiting for QEMU")? {
                if status.success() {
                    return Ok(());
                }
                bail!("QEMU ended with {status}; what it said is in {}", self.log.display());
            }
            if Instant::now() > until {
                bail!("the machine did not switch itself off within {} s", within.as_secs());
            }
            // Lines that come now are for the log, and must not fill the channel.
            let _ = self.lines.recv_timeout(Duration::from_millis(100));
        }
    }

    /// Takes its power away.
    ///
    /// # Errors
    /// Where it cannot be killed.
    pub(super) fn cut(mut self) -> Result<()> {
        self.child.kill().context("killing QEMU")?;
        self.child.wait().context("waiting for QEMU")?;
        Ok(())
    }

    /// Seconds since it was started.
    pub(super) fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // One that has ended already cannot be killed, and need not be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port of this machine that nobody listens at.
///
/// # Errors
/// Where there is none.
pub(super) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("looking for a free port")?;
    Ok(listener.local_addr().context("looking for a free port")?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flushes_reach_the_disk_and_nothing_leaves_this_machine() {
        let hardware = Hardware {
            kernel: "k".into(),
            initramfs: "i".into(),
            command_line: "root=x console=ttyAMA0".into(),
            ssh: 1000,
            node: 1001,
        };
        let line = hardware.call(Path::new("card"), None).to_string();
        assert!(line.contains("cache.no-flush=off") && !line.contains("unsafe"), "{line}");
        assert!(line.contains("restrict=on,hostfwd=tcp:127.0.0.1:1000-:22"), "{line}");
        assert!(line.contains("virtio-blk-device,drive=card,write-cache=on"), "{line}");
        let line = hardware.call(Path::new("card"), Some(Path::new("log"))).to_string();
        assert!(line.contains("driver=blklogwrites,node-name=cut,file=card,log=log"), "{line}");
        assert!(line.contains("virtio-blk-device,drive=cut"), "{line}");
    }
}
