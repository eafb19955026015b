//! What the hardware complains of: voltage, temperature, the card. Reads sysfs only.

use std::fs;
use std::path::{Path, PathBuf};

use crate::sys::System;

/// Without a limit of its own, a chip is too hot here; in thousandths of a degree.
const HOT: i64 = 80_000;
/// How far below its limit a chip is worth a word.
const HEADROOM: i64 = 10_000;
/// JESD84-B51, 7.4.37: in tenths of what the memory endures; 0x0a is "90 % to 100 % used".
const WORN: u32 = 0x0a;
/// JESD84-B51, 7.4.38: 1 is normal, 2 a warning, 3 urgent.
const SPARE_BLOCKS_NORMAL: u32 = 1;

/// One warning each, in plain words.
pub fn warnings(system: &System) -> Vec<String> {
    let mut warnings = Vec::new();
    warnings.extend(voltage(system));
    warnings.extend(temperature(system));
    warnings.extend(card(system));
    warnings.extend(file_system(system));
    warnings
}

/// `raspberrypi-hwmon` and others: Documentation/hwmon/sysfs-interface.rst, `in*_lcrit_alarm`.
fn voltage(system: &System) -> Option<String> {
    let alarm = folders(system, "/sys/class/hwmon").into_iter().find(|it| {
        let alarms = ["in0_lcrit_alarm", "in1_lcrit_alarm"];
        alarms
            .iter()
            .any(|alarm| number(&it.join(alarm)) == Some(1))
    });
    alarm.map(|_| "power: the voltage is too low; use another power supply or cable".to_owned())
}

/// Documentation/driver-api/thermal/sysfs-api.rst.
fn temperature(system: &System) -> Option<String> {
    let hottest = folders(system, "/sys/class/thermal")
        .into_iter()
        .filter_map(|zone| {
            let temperature = number(&zone.join("temp"))?;
            let limit = (0..8)
                .filter(|trip| {
                    let kind = text(&zone.join(format!("trip_point_{trip}_type")));
                    kind.is_some_and(|kind| kind == "critical" || kind == "hot")
                })
                .filter_map(|trip| number(&zone.join(format!("trip_point_{trip}_temp"))))
                .min()
                .map_or(HOT, |limit| (limit - HEADROOM).min(HOT));
            (temperature >= limit).then_some(temperature)
        })
        .max();
    hottest.map(|it| format!("temperature: {} °C; look at fan and air flow", it / 1_000))
}

/// What an eMMC tells of its wear: Documentation/driver-api/mmc/mmc-dev-attrs.rst.
fn card(system: &System) -> Option<String> {
    let hexadecimal = |word: &str| u32::from_str_radix(word.trim_start_matches("0x"), 16).ok();
    folders(system, "/sys/block").into_iter().find_map(|block| {
        let wear = text(&block.join("device/life_time")).unwrap_or_default();
        let worn = wear.split(' ').filter_map(hexadecimal).any(|it| it >= WORN);
        let spare = text(&block.join("device/pre_eol_info")).and_then(|it| hexadecimal(&it));
        let short = spare.is_some_and(|it| it > SPARE_BLOCKS_NORMAL);
        (worn || short).then(|| {
            let name = block.file_name().unwrap_or_default().to_string_lossy();
            format!("card: {name} is worn out; replace it soon")
        })
    })
}

/// Errors that ext4 has met: Documentation/ABI/testing/sysfs-fs-ext4. An SD card tells nothing else.
fn file_system(system: &System) -> Option<String> {
    let errors: i64 = folders(system, "/sys/fs/ext4")
        .iter()
        .filter_map(|it| number(&it.join("errors_count")))
        .sum();
    (errors > 0)
        .then(|| format!("card: the data partition had {errors} errors; replace the card soon"))
}

fn folders(system: &System, path: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(system.at(path)) else {
        return Vec::new();
    };
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    folders.sort();
    folders
}

fn text(path: &Path) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

fn number(path: &Path) -> Option<i64> {
    text(path)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file;

    fn told(files: &[(&str, &str)]) -> Vec<String> {
        let folder = tempfile::tempdir().expect("a folder");
        let system = System::new(folder.path());
        for (path, text) in files {
            file::replace(&system.at(path), text.as_bytes(), 0o644).expect("writes");
        }
        warnings(&system)
    }

    #[test]
    fn a_healthy_board_says_nothing() {
        let healthy = [
            ("/sys/class/hwmon/hwmon0/in0_lcrit_alarm", "0\n"),
            ("/sys/class/thermal/thermal_zone0/temp", "54321\n"),
            ("/sys/block/mmcblk0/device/life_time", "0x01 0x09\n"),
            ("/sys/block/mmcblk0/device/pre_eol_info", "0x01\n"),
            ("/sys/fs/ext4/mmcblk0p8/errors_count", "0\n"),
        ];
        assert_eq!(told(&healthy), [""; 0]);
        assert_eq!(told(&[]), [""; 0], "a board that knows nothing of itself");
    }

    #[test]
    fn each_complaint_is_told_once_at_its_limit() {
        for (path, quiet, loud, word) in [
            (
                "/sys/class/hwmon/hwmon1/in0_lcrit_alarm",
                "0",
                "1",
                "power: ",
            ),
            (
                "/sys/class/thermal/thermal_zone0/temp",
                "79999",
                "80000",
                "temperature: 80",
            ),
            (
                "/sys/block/mmcblk0/device/life_time",
                "0x09 0x01",
                "0x01 0x0a",
                "card: mmcblk0",
            ),
            (
                "/sys/block/mmcblk0/device/pre_eol_info",
                "0x01",
                "0x02",
                "card: mmcblk0",
            ),
            (
                "/sys/fs/ext4/mmcblk0p8/errors_count",
                "0",
                "1",
                "card: the data partition",
            ),
        ] {
            assert_eq!(told(&[(path, quiet)]), [""; 0], "{path}");
            let told = told(&[(path, loud)]);
            assert_eq!(told.len(), 1, "{path}");
            assert!(told[0].starts_with(word), "{told:?}");
        }
    }

    #[test]
    fn a_chip_with_a_limit_of_its_own_is_measured_by_it() {
        let zone = "/sys/class/thermal/thermal_zone0";
        let files = |temperature| {
            [
                (format!("{zone}/trip_point_0_type"), "passive"),
                (format!("{zone}/trip_point_0_temp"), "50000"),
                (format!("{zone}/trip_point_1_type"), "critical"),
                (format!("{zone}/trip_point_1_temp"), "75000"),
                (format!("{zone}/temp"), temperature),
            ]
        };
        let told = |temperature| {
            let files = files(temperature);
            let files: Vec<_> = files
                .iter()
                .map(|(path, text)| (path.as_str(), *text))
                .collect();
            told(&files)
        };
        assert_eq!(told("64999"), [""; 0]);
        assert_eq!(told("65000").len(), 1);
    }
}
