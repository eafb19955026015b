//! Boards with Debian's U-Boot: a script that counts, since this U-Boot has no boot counter.
//!
//! It has no arithmetic either (`setexpr`), so the count goes down a ladder.

use crate::disk::fat::Files;

use super::{BootError, BootFiles, Ingredients, script};

/// Bytes of a state file, one sector: on the card it is the old one or the new one.
const STATE: usize = 512;

pub(super) fn files(from: &Ingredients<'_>) -> Result<BootFiles, BootError> {
    let mut slot = Files::from([
        ("Image".to_owned(), from.kernel()?),
        ("initrd.img".to_owned(), from.initramfs.to_vec()),
        (
            "boot.env".to_owned(),
            format!("bootargs={}\n", from.command_line()).into_bytes(),
        ),
    ]);
    for path in &from.board.boot.device_trees {
        slot.insert(format!("dtb/{path}"), from.device_tree(path)?);
    }
    let sums: Files = slot.iter().map(|(path, bytes)| sum(path, bytes)).collect();
    slot.extend(sums);
    let script = script::wrap("tasuki", &text(from.board.boot.device_trees.first()));
    Ok(BootFiles {
        config: state_files()
            .into_iter()
            .chain([("boot.scr".to_owned(), script)])
            .collect(),
        update: slot.clone(),
        slot,
        empty_slot: Files::new(),
        raw: Vec::new(),
    })
}

/// The state of a new card, twice: slot a is good, nothing is tried.
pub(super) fn state_files() -> [(String, Vec<u8>); 2] {
    let state = state("a", "-", 0);
    [
        ("tasuki/slot-0.env".to_owned(), state.clone()),
        ("tasuki/slot-1.env".to_owned(), state),
    ]
}

/// A state file: an environment of U-Boot with its checksum.
fn state(slot: &str, next: &str, left: u8) -> Vec<u8> {
    let mut data = format!("left={left}\0next={next}\0slot={slot}\0\0").into_bytes();
    data.resize(STATE - 4, 0);
    let mut state = crc32fast::hash(&data).to_le_bytes().to_vec();
    state.extend(data);
    state
}

/// The file beside a file that has its checksum, as U-Boot's `crc32` leaves it in memory.
fn sum(path: &str, bytes: &[u8]) -> (String, Vec<u8>) {
    let sum = crc32fast::hash(bytes).to_be_bytes();
    (format!("{path}.crc"), sum.to_vec())
}

/// The script; `device_tree` is the one to fall back on where U-Boot names none of ours.
fn text(device_tree: Option<&String>) -> String {
    let fallback = device_tree.map_or("none", String::as_str);
    SCRIPT.replace("@DEVICE_TREE@", fallback)
}

/// `docs/BOOT.md` has the files that it reads. 200 is 512 bytes: U-Boot counts in hexadecimal.
const SCRIPT: &str = r#"echo Tasuki: choosing a slot
setenv config ${devtype} ${devnum}:1
setenv slot a
setenv next -
setenv left 0
setenv known no
for copy in 0 1; do
  if test ${known} = no; then
    if load ${config} ${kernel_addr_r} tasuki/slot-${copy}.env; then
      if env import -c ${kernel_addr_r} 200 slot next left; then setenv known yes; fi
    fi
  fi
done
setenv whole 'setenv size ${filesize}; crc32 ${at} ${size} ${pxefile_addr_r} && load ${part} ${scriptaddr} ${file}.crc && itest.l *${pxefile_addr_r} == *${scriptaddr}'
setenv take 'load ${part} ${at} ${file} && run whole'
setenv go ${slot}
setenv try no
if test ${next} != -; then
  if test ${left} = 3; then setenv left 2; setenv try yes
  elif test ${left} = 2; then setenv left 1; setenv try yes
  elif test ${left} = 1; then setenv left 0; setenv try yes
  fi
fi
if test ${try} = yes; then
  env export -c -s 200 ${kernel_addr_r} slot next left
  if fatwrite ${config} ${kernel_addr_r} tasuki/slot-0.env 200; then
    setenv go ${next}
    fatwrite ${config} ${kernel_addr_r} tasuki/slot-1.env 200
  else
    echo Tasuki: cannot count tries on this card, so the new slot is not tried
  fi
fi
setenv others b
if test ${go} = b; then setenv others a; fi
for this in ${go} ${others}; do
  setenv part ${devtype} ${devnum}:2
  if test ${this} = b; then setenv part ${devtype} ${devnum}:3; fi
  echo Tasuki: starting slot ${this} with ${left} tries left
  setenv ready no
  setenv at ${fdt_addr_r}
  setenv fdt ${fdt_addr_r}
  setenv file dtb/${fdtfile}
  if run take; then setenv ready yes; fi
  setenv file dtb/@DEVICE_TREE@
  if test ${ready} = no; then
    if run take; then setenv ready yes; fi
  fi
  if test ${ready} = no; then setenv fdt ${fdtcontroladdr}; fi
  setenv ready no
  setenv at ${kernel_addr_r}
  setenv file boot.env
  if run take; then
    if env import -t ${kernel_addr_r} ${size} bootargs; then
      setenv file Image
      if run take; then
        setenv at ${ramdisk_addr_r}
        setenv file initrd.img
        if run take; then setenv ready yes; fi
      fi
    fi
  fi
  if test ${ready} = yes; then
    setenv bootargs ${bootargs} tasuki.slot=${this}
    booti ${kernel_addr_r} ${ramdisk_addr_r}:${size} ${fdt}
  fi
  echo Tasuki: slot ${this} does not start
done
echo Tasuki: no slot starts; write the card anew
sleep 10
reset
"#;
