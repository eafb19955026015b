# Runs in a booted image, as whoever systemd runs it: says on the console what can be seen from there.
# One finding a line, between bars, for other programs write there too.

say() { echo "probe|$1|$2|"; }

# Everything below a folder that this user can write to, and programs that make their user somebody
# else: on a folder that bit only says whose group a new file has.
walk() {
  for path in "$1"/* "$1"/.[!.]*; do
    case $path in /proc/* | /sys/*) continue ;; esac
    if [ -L "$path" ] || [ ! -e "$path" ]; then continue; fi
    if [ -f "$path" ] && { [ -u "$path" ] || [ -g "$path" ]; }; then say setid "$path"; fi
    if [ "$who" = nobody ] && [ -w "$path" ]; then say writable "$path"; fi
    if [ -d "$path" ]; then walk "$path"; fi
  done
}

lines() { while read -r line; do say "$1" "$line"; done; }

# What systemd-analyze finds open, and the score, which is its last line.
judge() {
  systemd-analyze security --no-pager "$1" | while read -r line; do
    case $line in
      ✗* | →*) say judged "$1 $line" ;;
    esac
  done
}

who=$1
walk ""
if [ "$who" = root ]; then
  for table in tcp tcp6 udp udp6 raw raw6; do lines "$table" < "/proc/net/$table"; done
  systemctl --failed --plain --no-legend --no-pager | lines failed
  lines package < /usr/share/tasuki/packages
  for unit in /usr/lib/systemd/system/tasuki-*.service; do judge "${unit##*/}"; done
fi
say done "$who"
