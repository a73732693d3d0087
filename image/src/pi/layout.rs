//! Where things are on the card, and the table that says so.
//!
//! ```text
//!      0      the partition table (MBR, which the bootloader of every Raspberry Pi reads)
//!      4 MiB  1  FAT32, 512 MiB: firmware, kernel, initramfs, and what the operator drops there
//!    516 MiB  2  the root, a squashfs, in 1 GiB
//!   1540 MiB  the end of the image; what follows is made on the card at its first start
//!   1540 MiB  3  room for a second root, 1 GiB
//!   2564 MiB  4  the data, to the end of the card
//! ```
//!
//! Two roots of one size, and a FAT partition with room for both their kernels (under two `os_prefix` folders, of
//! which `config.txt` and `tryboot.txt` each name one), are what a root that is replaced and taken back needs: with
//! them the four places of an MBR are full. Names are by the disk's id: the kernel's command line and fstab say
//! `PARTUUID=4c554344-02`, wherever the card is found.

use anyhow::{Result, ensure};

/// Bytes of a sector.
pub(super) const SECTOR: u64 = 512;
/// The disk's id (`LUCD`), from which partitions have their names.
pub(crate) const DISK_ID: u32 = 0x4c55_4344;
/// The FAT file system's serial number, and the squashfs has none.
pub(super) const FAT_ID: u32 = 0x4c55_4346;

/// A part of the card, in sectors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Partition {
    pub(super) start: u32,
    pub(super) sectors: u32,
    /// The type's number in an MBR.
    kind: u8,
}

impl Partition {
    /// Where it begins, in bytes.
    pub(crate) fn offset(self) -> u64 {
        u64::from(self.start) * SECTOR
    }

    /// How long it is, in bytes.
    pub(crate) fn bytes(self) -> u64 {
        u64::from(self.sectors) * SECTOR
    }
}

const MEBIBYTE: u32 = 1 << 11;

/// FAT32 with LBA addresses.
pub(crate) const BOOT: Partition =
    Partition { start: 4 * MEBIBYTE, sectors: 512 * MEBIBYTE, kind: 0x0c };
/// Linux.
pub(crate) const ROOT: Partition =
    Partition { start: 516 * MEBIBYTE, sectors: 1024 * MEBIBYTE, kind: 0x83 };
/// The image's length in bytes.
pub(crate) const IMAGE_BYTES: u64 = (ROOT.start as u64 + ROOT.sectors as u64) * SECTOR;

/// The kernel's command line: where the root is, that nothing waits for somebody at a keyboard, and that a kernel
/// that cannot go on starts again after 10 seconds.
pub(super) fn command_line() -> String {
    format!(
        "console=serial0,115200 console=tty1 root=PARTUUID={DISK_ID:08x}-02 rootfstype=squashfs ro rootwait panic=10"
    )
}

/// The first sector of the card.
///
/// Sectors are named by LBA; the older cylinder addresses say "too large" (0xfeffff), as sfdisk writes them for what
/// is beyond them.
pub(super) fn table() -> [u8; SECTOR as usize] {
    let mut sector = [0; SECTOR as usize];
    sector[440..444].copy_from_slice(&DISK_ID.to_le_bytes());
    for (place, partition) in [BOOT, ROOT].into_iter().enumerate() {
        let entry = &mut sector[446 + 16 * place..][..16];
        entry[1..4].copy_from_slice(&[0xfe, 0xff, 0xff]);
        entry[4] = partition.kind;
        entry[5..8].copy_from_slice(&[0xfe, 0xff, 0xff]);
        entry[8..12].copy_from_slice(&partition.start.to_le_bytes());
        entry[12..16].copy_from_slice(&partition.sectors.to_le_bytes());
    }
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    sector
}

/// Whether the first sector of an image is this table.
///
/// # Errors
/// Where it is another one.
pub(crate) fn check_table(sector: &[u8]) -> Result<()> {
    ensure!(sector == table(), "its partition table is not the one that `lucid-image pi` writes");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{fs, process::Command};

    use super::*;

    #[test]
    fn partitions_follow_each_other_on_boundaries_of_4_mib() {
        assert_eq!(BOOT.start + BOOT.sectors, ROOT.start);
        assert_eq!(BOOT.start % (4 * MEBIBYTE), 0);
        assert_eq!(ROOT.start % (4 * MEBIBYTE), 0);
        assert_eq!(IMAGE_BYTES, 1540 << 20);
        assert_eq!(ROOT.offset() + ROOT.bytes(), IMAGE_BYTES);
    }

    #[test]
    fn the_table_has_the_documented_bytes() {
        let table = table();
        assert_eq!(table[440..444], *b"DCUL");
        assert_eq!(
            table[446..462],
            *b"\x00\xfe\xff\xff\x0c\xfe\xff\xff\x00\x20\x00\x00\x00\x00\x10\x00"
        );
        assert_eq!(
            table[462..478],
            *b"\x00\xfe\xff\xff\x83\xfe\xff\xff\x00\x20\x10\x00\x00\x00\x20\x00"
        );
        assert!(table[478..510].iter().all(|byte| *byte == 0));
        assert_eq!(table[510..], [0x55, 0xaa]);
        assert!(check_table(&table).is_ok());
        let mut other = table;
        other[450] = 0x0b;
        assert!(check_table(&other).is_err());
        assert!(check_table(&table[..511]).is_err());
    }

    #[test]
    fn sfdisk_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("card");
        let file = fs::File::create(&path).unwrap();
        file.set_len(IMAGE_BYTES).unwrap();
        fs::write(folder.path().join("table"), table()).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &table(), 0).unwrap();
        let Ok(said) = Command::new("/usr/sbin/sfdisk").arg("--dump").arg(&path).output() else {
            return; // fdisk is not installed everywhere; the bytes above are checked anyway
        };
        let said = String::from_utf8(said.stdout).unwrap();
        for words in [
            "label: dos",
            "label-id: 0x4c554344",
            "start=        8192, size=     1048576, type=c",
            "start=     1056768, size=     2097152, type=83",
        ] {
            assert!(said.contains(words), "{words}: {said}");
        }
    }

    #[test]
    fn the_command_line_names_the_root_by_the_disks_id() {
        assert!(command_line().contains("root=PARTUUID=4c554344-02 "));
        assert!(!command_line().contains('\n'));
    }
}
