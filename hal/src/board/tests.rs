//! Boards as folders: what sysfs and the device tree of a Pi 5, a Pi 4 and a PC look like, and broken ones.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use tempfile::TempDir;

use super::{scripted::Script, *};

/// A root with these files.
fn root(files: &[(&str, &str)]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        put(root.path(), path, text);
    }
    root
}

fn put(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn read(root: &TempDir) -> Result<Reading, BoardError> {
    Sysfs::at(root.path()).read()
}

const PI_5: [(&str, &str); 5] = [
    ("proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\0"),
    ("proc/device-tree/serial-number", "fedcba9876543210\0"),
    ("sys/class/thermal/thermal_zone0/type", "cpu-thermal\n"),
    ("sys/class/thermal/thermal_zone0/temp", "61850\n"),
    ("sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled", "50005\n"),
];

#[test]
fn a_pi_5_as_raspberry_pis_kernel_shows_it() {
    let root = root(&PI_5);
    let (mut board, errors) = Board::open_at(root.path(), &Wanted::default());
    assert!(errors.is_empty(), "{errors:?}");
    assert!(board.light.is_none() && board.button.is_none() && board.fan.is_none());
    assert_eq!(board.identity.model.as_deref(), Some("Raspberry Pi 5 Model B Rev 1.0"));
    assert_eq!(board.identity.serial.as_deref(), Some("fedcba9876543210"));
    let reading = board.sensors.read().unwrap();
    assert_eq!(reading.temperature, Some(MilliCelsius(61_850)));
    assert_eq!(reading.temperature.unwrap().to_string(), "61.9 °C");
    let throttling = reading.throttling.unwrap();
    assert!(throttling.is_under_voltage() && throttling.is_slowed());
    // It is read anew each time.
    put(root.path(), PI_5[3].0, "40000\n");
    put(root.path(), PI_5[4].0, "0\n");
    let reading = board.sensors.read().unwrap();
    assert_eq!(reading.temperature, Some(MilliCelsius(40_000)));
    assert_eq!(reading.throttling, Some(Throttling::default()));
}

#[test]
fn a_pi_4_with_debians_kernel_knows_its_supply_alone() {
    let alarm = "sys/class/hwmon/hwmon1/in0_lcrit_alarm";
    let root = root(&[
        ("sys/class/hwmon/hwmon0/name", "cpu_thermal\n"),
        ("sys/class/hwmon/hwmon0/in0_lcrit_alarm", "1\n"),
        ("sys/class/hwmon/hwmon1/name", "rpi_volt\n"),
        (alarm, "0\n"),
    ]);
    let throttling = |root: &TempDir| read(root).unwrap().throttling.unwrap();
    assert!(!throttling(&root).is_under_voltage());
    put(root.path(), alarm, "1\n");
    assert!(throttling(&root).is_under_voltage());
    assert!(!throttling(&root).is_slowed());
    put(root.path(), alarm, "maybe\n");
    assert!(read(&root).unwrap_err().to_string().contains("hwmon1/in0_lcrit_alarm says \"maybe\""));
}

#[test]
fn temperatures_of_a_pc() {
    let root = root(&[
        ("sys/class/thermal/thermal_zone0/type", "acpitz\n"),
        ("sys/class/thermal/thermal_zone0/temp", "99000\n"),
        ("sys/class/thermal/thermal_zone1/type", "x86_pkg_temp\n"),
        ("sys/class/thermal/thermal_zone1/temp", "48000\n"),
        ("sys/class/thermal/thermal_zone2/type", "soc_dts0\n"),
        ("sys/class/thermal/thermal_zone2/temp", "51000\n"),
        ("sys/class/thermal/cooling_device0/temp", "1\n"),
        ("sys/class/dmi/id/product_name", "Some PC\n"),
    ]);
    // The hottest of the processor's, not the board's.
    assert_eq!(read(&root).unwrap().temperature, Some(MilliCelsius(51_000)));
    assert_eq!(read(&root).unwrap().throttling, None);
    assert_eq!(Identity::at(root.path()).model.as_deref(), Some("Some PC"));
    assert_eq!(Identity::at(root.path()).serial, None);
}

#[test]
fn sensors_that_say_nothing_and_strange_things() {
    // A container, a virtual machine: nothing at all.
    assert_eq!(read(&root(&[])).unwrap(), Reading::default());
    let zone = "sys/class/thermal/thermal_zone0/temp";
    let said = |text| root(&[("sys/class/thermal/thermal_zone0/type", "cpu\n"), (zone, text)]);
    // What a switched-off sensor says; one that cannot be read when the node starts is none.
    assert_eq!(read(&said("-274000\n")).unwrap().temperature, None);
    assert_eq!(read(&said("")).unwrap().temperature, None);
    let later = said("20000\n");
    let mut sysfs = Sysfs::at(later.path());
    for strange in ["hot\n", "99999999999\n", ""] {
        put(later.path(), zone, strange);
        assert!(sysfs.read().unwrap_err().to_string().contains("is no temperature"));
    }
    fs::remove_file(later.path().join(zone)).unwrap();
    assert!(matches!(sysfs.read(), Err(BoardError::Io { .. })));
    let firmware =
        root(&[("sys/devices/platform/soc/soc:firmware/get_throttled", "throttled=0x0")]);
    assert!(read(&firmware).unwrap_err().to_string().contains("no firmware's word"));
}

/// `/sys/class/leds` is full of links.
#[test]
fn lights_of_the_kernel() {
    let root = root(&[
        ("sys/devices/platform/leds/leds/ACT/brightness", "0\n"),
        ("sys/devices/platform/leds/leds/ACT/max_brightness", "255\n"),
        ("sys/devices/platform/leds/leds/ACT/trigger", "none [mmc0] timer\n"),
        ("sys/class/leds/PWR/max_brightness", "1\n"),
    ]);
    let act = root.path().join("sys/devices/platform/leds/leds/ACT");
    symlink(&act, root.path().join("sys/class/leds/ACT")).unwrap();
    let said = |file: &str| fs::read_to_string(act.join(file)).unwrap();
    let wanted = Wanted { light: Some(LightPlace::Named("ACT".into())), ..Wanted::default() };
    let (mut board, errors) = Board::open_at(root.path(), &wanted);
    assert!(errors.is_empty(), "{errors:?}");
    let mut light = board.light.take().unwrap();
    // The kernel blinks it no more for the card. (sysfs takes a write whole; a file keeps its rest.)
    assert!(said("trigger").starts_with("none"));
    light.set(true).unwrap();
    assert_eq!(said("brightness").trim_end(), "255");
    fs::write(act.join("brightness"), "").unwrap();
    drop(light);
    assert_eq!(said("brightness"), "0");

    let error = |name: &str| {
        let place = Some(LightPlace::Named(name.into()));
        let (board, errors) =
            Board::open_at(root.path(), &Wanted { light: place, ..Wanted::default() });
        assert!(board.light.is_none());
        errors[0].to_string()
    };
    assert!(error("LED0").contains("there are: ACT, PWR"), "{}", error("LED0"));
    // A light whose files are not there.
    assert!(error("PWR").contains("PWR/trigger"), "{}", error("PWR"));
    for name in ["", ".", "..", "../../..", "a/b", "a b", "\u{1b}", &"x".repeat(64)] {
        assert!(error(name).contains("is no name of a light"), "{name:?}: {}", error(name));
    }
}

#[test]
fn a_light_of_another_group() {
    let root = root(&[
        ("sys/class/leds/ACT/trigger", "none\n"),
        ("sys/class/leds/ACT/max_brightness", "1\n"),
        ("sys/class/leds/ACT/brightness", "0\n"),
    ]);
    let trigger = root.path().join("sys/class/leds/ACT/trigger");
    fs::set_permissions(&trigger, fs::Permissions::from_mode(0o444)).unwrap();
    if fs::OpenOptions::new().write(true).open(&trigger).is_ok() {
        println!("not tried: this user may write everything");
        return;
    }
    let error = Sysfs::at(root.path()).light("ACT").err().unwrap().to_string();
    assert!(error.contains("ACT/trigger") && error.contains("add the node's user"), "{error}");
}

/// What is wanted and not there is told, each with its setting, and the rest is there.
#[test]
fn a_machine_without_pins() {
    let machine = Identity::at(Path::new("/")).model.unwrap_or_default();
    if machine.contains("Raspberry Pi") {
        println!("not tried: this is a {machine}, whose pins may have something connected");
        return;
    }
    let root = root(&PI_5[2..]);
    let wanted = Wanted {
        light: Some(LightPlace::Pin(17)),
        button_pin: Some(27),
        fan_pin: Some(14),
        watchdog: Some(root.path().join("dev/watchdog0")),
    };
    let (mut board, errors) = Board::open_at(root.path(), &wanted);
    let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(errors.len(), 4, "{errors:?}");
    for (error, setting) in
        errors.iter().zip(["board_light", "board_button_pin", "board_fan_pin", "board_watchdog"])
    {
        assert!(error.contains(&format!("remove {setting} ")), "{error}");
    }
    assert_eq!(board.sensors.read().unwrap().temperature, Some(MilliCelsius(61_850)));
    assert!(format!("{board:?}").contains("watchdog: false"));
}

#[test]
fn a_scripted_board_does_as_it_is_told() {
    let script = Script::default();
    let mut board = script.board();
    let (light, fan) = (board.light.as_mut().unwrap(), board.fan.as_mut().unwrap());
    light.set(true).unwrap();
    fan.set(true).unwrap();
    light.set(false).unwrap();
    let (button, watchdog) = (board.button.as_mut().unwrap(), board.watchdog.as_mut().unwrap());
    assert!(!button.is_down().unwrap());
    script.state().down = true;
    assert!(button.is_down().unwrap());
    watchdog.feed().unwrap();
    script.state().reading.temperature = Some(MilliCelsius(1));
    assert_eq!(board.sensors.read().unwrap().temperature, Some(MilliCelsius(1)));
    let state = script.state().clone();
    assert_eq!(
        (state.light, state.fan, state.fed, state.armed),
        (vec![true, false], vec![true], 1, true)
    );
    watchdog.disarm().unwrap();
    assert!(!script.state().armed);
    script.state().fails = true;
    assert!(light.set(true).is_err() && watchdog.feed().is_err() && board.sensors.read().is_err());
}
