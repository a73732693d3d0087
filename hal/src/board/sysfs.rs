//! What Linux itself knows of a board: heat, supply, lights. Files of sysfs, each a few bytes.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use super::{BoardError, Light, MilliCelsius, Reading, Sensors, throttle::Throttling};

/// No file that is read here is longer; `trigger` of a light is the longest.
const FILE_BYTES_MAX: u64 = 16 << 10;
/// Longer is no name of a light (`LED_MAX_NAME_SIZE` of the kernel is 64).
const LIGHT_NAME_MAX: usize = 63;
/// Outside of this a sensor reports that it has nothing to report: Celsius, in thousandths.
const TEMPERATURES: std::ops::RangeInclusive<i32> = -60_000..=200_000;
/// The supply's sensor that a Raspberry Pi's kernel has.
const SUPPLY_SENSOR: &str = "rpi_volt";

/// The sensors and lights below one root.
#[derive(Clone, Debug)]
pub struct Sysfs {
    root: PathBuf,
    /// Files with a temperature of the processor.
    temperatures: Vec<PathBuf>,
    /// The firmware's word.
    throttled: Option<PathBuf>,
    /// The alarm of the supply, which kernels have that do not pass the firmware's word on.
    supply_alarm: Option<PathBuf>,
}

impl Sysfs {
    /// Looks once for what there is below `root`, which is `/` outside of tests.
    pub fn at(root: &Path) -> Self {
        let platform = root.join("sys/devices/platform");
        let firmware = folders(&platform, |name| name.starts_with("soc"))
            .into_iter()
            .flat_map(|soc| folders(&soc, |name| name.ends_with(":firmware")))
            .map(|firmware| firmware.join("get_throttled"));
        let throttled = firmware.into_iter().find(|path| path.is_file());
        let supply = folders(&root.join("sys/class/hwmon"), |name| name.starts_with("hwmon"))
            .into_iter()
            .filter(|sensor| {
                text(&sensor.join("name")).is_ok_and(|name| name.trim() == SUPPLY_SENSOR)
            })
            .map(|sensor| sensor.join("in0_lcrit_alarm"));
        let supply_alarm = supply.into_iter().find(|path| path.is_file());
        let temperatures = temperatures(&root.join("sys/class/thermal"));
        Self { root: root.to_owned(), temperatures, throttled, supply_alarm }
    }

    /// The light of that name, which is the node's alone from here on.
    ///
    /// # Errors
    /// Where there is none, or it is another group's.
    pub fn light(&self, name: &str) -> Result<Box<dyn Light>, BoardError> {
        let is_name = !name.is_empty()
            && name.len() <= LIGHT_NAME_MAX
            && name != "."
            && name != ".."
            && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/');
        if !is_name {
            return Err(BoardError::LightName { name: name.escape_debug().take(80).collect() });
        }
        let lights = self.root.join("sys/class/leds");
        let folder = lights.join(name);
        if !folder.is_dir() {
            let there = folders(&lights, |_| true);
            let there: Vec<_> =
                there.iter().filter_map(|path| path.file_name()?.to_str()).collect();
            let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
            return Err(BoardError::NoLight { name: name.to_owned(), there });
        }
        // As long as the kernel has another use for it, it would turn it on and off too.
        put(&folder.join("trigger"), "none")?;
        let full = number(&folder.join("max_brightness"), "brightness")?;
        Ok(Box::new(NamedLight { brightness: folder.join("brightness"), full: full.max(1) }))
    }

    /// The timeout of the watchdog of that name, in seconds, where the kernel says it.
    pub(super) fn watchdog_seconds(&self, name: &str) -> Option<u64> {
        let file = self.root.join("sys/class/watchdog").join(name).join("timeout");
        number(&file, "time").ok().and_then(|seconds| u64::try_from(seconds).ok())
    }

    fn temperature(&self) -> Result<Option<MilliCelsius>, BoardError> {
        let mut hottest = None;
        for path in &self.temperatures {
            let milli = number(path, "temperature")?;
            hottest = hottest.max(TEMPERATURES.contains(&milli).then_some(MilliCelsius(milli)));
        }
        Ok(hottest)
    }

    fn throttling(&self) -> Result<Option<Throttling>, BoardError> {
        if let Some(path) = &self.throttled {
            let said = text(path)?;
            let word = Throttling::parse(&said);
            return word.map(Some).ok_or_else(|| strange(path, &said, "firmware's word"));
        }
        let Some(path) = &self.supply_alarm else { return Ok(None) };
        Ok(Some(Throttling::of_supply(number(path, "alarm")? != 0)))
    }
}

impl Sensors for Sysfs {
    fn read(&mut self) -> Result<Reading, BoardError> {
        Ok(Reading { temperature: self.temperature()?, throttling: self.throttling()? })
    }
}

/// The zones of the processor, or all of them where none says that it is one. Zones that cannot be read now are
/// of devices that are switched off.
fn temperatures(zones: &Path) -> Vec<PathBuf> {
    let zones = folders(zones, |name| name.starts_with("thermal_zone"));
    let readable = zones.into_iter().filter(|zone| number(&zone.join("temp"), "").is_ok());
    let (of_processor, others): (Vec<_>, Vec<_>) = readable.partition(|zone| {
        let kind = text(&zone.join("type")).unwrap_or_default();
        ["cpu", "soc", "x86_pkg"].iter().any(|part| kind.to_ascii_lowercase().contains(part))
    });
    let chosen = if of_processor.is_empty() { others } else { of_processor };
    chosen.into_iter().map(|zone| zone.join("temp")).collect()
}

/// A light that the kernel drives. It goes out when it is dropped.
struct NamedLight {
    brightness: PathBuf,
    full: i32,
}

impl Light for NamedLight {
    fn set(&mut self, on: bool) -> Result<(), BoardError> {
        let level = if on { self.full } else { 0 };
        put(&self.brightness, &level.to_string())
    }
}

impl Drop for NamedLight {
    fn drop(&mut self) {
        // Whoever drops it has nobody to tell, and the next start sets it anew.
        let _ = self.set(false);
    }
}

/// The folders in `parent` whose names are such, in the order of their names; none where it is not there.
fn folders(parent: &Path, is_such: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    // Entries of a class are links.
    let mut paths: Vec<_> = paths
        .filter(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(&is_such))
        .filter(|path| path.is_dir())
        .collect();
    paths.sort();
    paths
}

/// The text of a small file.
pub(super) fn text(path: &Path) -> Result<String, BoardError> {
    let failed = |error| BoardError::Io { path: path.to_owned(), error };
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

fn number(path: &Path, what: &'static str) -> Result<i32, BoardError> {
    let said = text(path)?;
    said.trim().parse().map_err(|_| strange(path, &said, what))
}

fn strange(path: &Path, said: &str, what: &'static str) -> BoardError {
    let said = said.trim().chars().take(40).collect();
    BoardError::Strange { path: path.to_owned(), said, what }
}

fn put(path: &Path, text: &str) -> Result<(), BoardError> {
    let written = OpenOptions::new()
        .write(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => {
            BoardError::Permission { part: "light", device: path.display().to_string() }
        }
        _ => BoardError::Io { path: path.to_owned(), error },
    })
}
