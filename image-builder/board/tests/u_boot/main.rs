//! The boot script of the Rockchip boards in a real U-Boot: which slot it starts, what it writes
//! into the state files, and what it hands over to a kernel.

mod kernel;
mod machine;

use image_builder::disk::layout::Part;
use tasuki_board::slot::{Slot, State, TRIES};

use self::machine::{Rockchip, STATE_FILES};

const TRIED: State = State {
    good: Slot::A,
    tries_left: Some(TRIES),
};

fn kernels(machine: &Rockchip, count: usize) -> String {
    let starts = machine.starts(count);
    starts.into_iter().map(|start| start.kernel).collect()
}

#[test]
#[ignore = "needs QEMU and packages from Debian"]
fn a_new_card_starts_slot_a_with_its_command_line_and_initramfs() {
    let machine = Rockchip::new();
    let new = machine.states();

    let starts = machine.starts(2);

    for start in &starts {
        assert_eq!(start.kernel, "a");
        assert!(start.command_line.ends_with(" tasuki.slot=a"), "{start:?}");
        assert!(start.initramfs, "{start:?}");
    }
    assert_eq!(machine.states(), new, "nothing is written");
}

#[test]
#[ignore = "needs QEMU and packages from Debian"]
fn a_new_slot_is_tried_three_times_and_then_the_old_one_comes_back() {
    let machine = Rockchip::new();
    machine.set(TRIED);

    for left in [2, 1, 0] {
        let tried = State {
            tries_left: Some(left),
            ..TRIED
        };
        assert_eq!(kernels(&machine, 1), "b");
        assert_eq!(machine.states(), [Some(tried); 2], "{left} left");
    }

    assert_eq!(kernels(&machine, 2), "aa");
}

#[test]
#[ignore = "needs QEMU and packages from Debian"]
fn resets_without_a_power_cut_count_as_well() {
    let machine = Rockchip::new();
    machine.set(TRIED);

    assert_eq!(kernels(&machine, 5), "bbbaa");
}

#[test]
#[ignore = "needs QEMU and packages from Debian"]
fn a_slot_that_was_marked_good_stays() {
    let machine = Rockchip::new();
    machine.set(State {
        good: Slot::B,
        tries_left: None,
    });

    let starts = machine.starts(2);

    assert!(starts.iter().all(|start| start.kernel == "b"), "{starts:?}");
    let line = &starts[0].command_line;
    assert!(line.ends_with(" tasuki.slot=b"), "{line}");
}

#[test]
#[ignore = "needs QEMU and packages from Debian"]
fn torn_state_files_are_not_believed() {
    let machine = Rockchip::new();
    machine.set(TRIED);
    machine.put(Part::Config, STATE_FILES[0], &[0xff; 512]);
    assert_eq!(kernels(&machine, 1), "b", "the second copy counts");
    let fewer = State {
        tries_left: Some(2),
        ..TRIED
    };
    assert_eq!(
        machine.states(),
        [Some(fewer); 2],
        "the first is whole again"
    );

    for path in STATE_FILES {
        machine.put(Part::Config, path, &[0xff; 512]);
    }
    assert_eq!(kernels(&machine, 1), "a", "without both, slot a");
    for path in STATE_FILES {
        machine.remove(Part::Config, path);
    }
    assert_eq!(kernels(&machine, 1), "a", "without files, too");
}

#[test]
#[ignore = "needs QEMU and packages from Debian"]
fn where_a_file_is_missing_or_no_kernel_the_other_slot_is_started() {
    for path in ["Image", "initrd.img", "boot.env"] {
        let machine = Rockchip::new();
        machine.set(TRIED);
        machine.remove(Part::BootB, path);

        let start = machine.starts(1).remove(0);

        assert_eq!(start.kernel, "a", "without {path}");
        assert!(start.command_line.ends_with(" tasuki.slot=a"), "{start:?}");
    }
    let machine = Rockchip::new();
    machine.set(TRIED);
    machine.put(Part::BootB, "Image", &[0; 4096]);
    // Their CRC-32.
    machine.put(Part::BootB, "Image.crc", &0xc71c_0011_u32.to_be_bytes());
    assert_eq!(kernels(&machine, 1), "a", "with zeros for a kernel");
}

#[test]
#[ignore = "needs QEMU and packages from Debian"]
fn where_a_bit_is_flipped_the_other_slot_is_started() {
    for path in ["Image", "Image.crc", "initrd.img", "boot.env"] {
        let machine = Rockchip::new();
        machine.set(TRIED);
        let mut bytes = machine.get(Part::BootB, path);
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        machine.put(Part::BootB, path, &bytes);

        assert_eq!(kernels(&machine, 1), "a", "with a flipped bit in {path}");
    }
}
