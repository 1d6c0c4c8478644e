#!/bin/sh
# `--display window` in a real X server (Xvfb): GRUB's rescue CD boots in the window, what is typed there reaches it, the window has the dots
# of a screenshot, in its own size and twice as large, its thread is confined, and to close it ends the run.
#
# usage: scripts/window-check.sh
# needs: Xvfb, xdotool and ImageMagick (apt-get install xvfb xdotool imagemagick); GRUB's CD (scripts/fetch-guests.sh seabios grub-rescue).
# Builds Ringer with the feature `window`; $RINGER is one that has it.
set -eu
cd "$(dirname "$0")/.."
for tool in Xvfb xdotool import compare convert; do
    command -v $tool >/dev/null || { echo "window-check: $tool is not installed (apt-get install xvfb xdotool imagemagick)" >&2; exit 2; }
done
[ -s guests/grub-rescue/grub-rescue-cdrom.iso ] || sh scripts/fetch-guests.sh seabios grub-rescue
if [ -z "${RINGER:-}" ]; then
    cargo build --release -q --features window
    RINGER=${CARGO_TARGET_DIR:-target}/release/ringer
fi
work=$(mktemp -d)
server='' run=''
trap '[ -z "$run" ] || kill "$run" 2>/dev/null; [ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$work"' EXIT INT TERM
fail() { echo "window-check: $*" >&2; [ ! -s "$work/said" ] || cat "$work/said" >&2; exit 1; }
# until SECONDS WHAT COMMAND...: waits until the command succeeds.
until_() {
    tries=$(($1 * 5)) what=$2
    shift 2
    while ! "$@" >"$work/tried" 2>&1; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || fail "$what: $(tail -n 1 "$work/tried")"
        [ -z "$run" ] || grep -q '^State:.[^Z]' "/proc/$run/status" 2>/dev/null || fail "$what: the run is over"
        sleep 0.2
    done
}

Xvfb -displayfd 3 -screen 0 1600x1000x24 -nolisten tcp 3>"$work/display" 2>"$work/xvfb" &
server=$!
until_ 20 "the X server starts" grep -q . "$work/display"
DISPLAY=:$(cat "$work/display")
export DISPLAY

# What is typed comes from the window alone: the script only looks.
cat >"$work/look.script" <<END
wait screen "GNU GRUB  version 2.06" within 300s
wait screen "*GNU/Linux" within 120s
screenshot $work/menu.png
wait screen "grub>" within 120s
screenshot $work/line.png
wait screen "seen-in-the-Window" within 120s
sleep 500ms
screenshot $work/after.png
END
"$RINGER" run --display window --sandbox require --serial null --timeout 600 --script "$work/look.script" \
    --cdrom guests/grub-rescue/grub-rescue-cdrom.iso </dev/null >/dev/null 2>"$work/said" &
run=$!
until_ 20 "the window is there" xdotool search --class Ringer
window=$(xdotool search --class Ringer | tail -n 1)
xdotool windowfocus "$window"

# Whether the window has the dots of a screenshot, so much larger: same NAME PERCENT
same() {
    timeout 20 import -silent -window "$window" "$work/seen.png" || return
    convert "$work/$1.png" -sample "$2" "$work/wanted.png"
    [ "$(identify -format %wx%h "$work/seen.png")" = "$(identify -format %wx%h "$work/wanted.png")" ] || { identify "$work/seen.png"; return 1; }
    differ=$(compare -metric AE "$work/seen.png" "$work/wanted.png" null: 2>&1) || { echo "$differ dots differ"; return 1; }
}
# The menu, then GRUB's command line.
until_ 400 "GRUB has its menu" test -s "$work/menu.png"
# It goes on drawing, and counts: what is seen is like the picture, not the same.
alike() { same menu 100% || [ "${differ:-999999}" -lt 20000 ]; }
until_ 20 "the boot is seen" alike
xdotool key c
until_ 120 "a key reaches the guest" test -s "$work/line.png"
echo "window-check: the boot is seen, and a key reached GRUB"
xdotool type --delay 60 'echo seen-in-the-Window'
xdotool key Return
until_ 120 "a line that is typed comes back" test -s "$work/after.png"
echo "window-check: a line typed in the window came back from the guest"

until_ 20 "the window is what a screenshot is" same after 100%
echo "window-check: the window has every dot of the screenshot ($(identify -format %wx%h "$work/seen.png"))"
size=$(identify -format '%[fx:w*2] %[fx:h*2]' "$work/after.png")
# shellcheck disable=SC2086
xdotool windowsize "$window" $size
until_ 20 "twice as large it is the same" same after 200%
echo "window-check: twice as large, too"

# A click gives the guest the mouse, Ctrl-Alt takes it back.
called() { [ "$(xdotool getwindowname "$window")" = "$1" ] || { xdotool getwindowname "$window"; return 1; }; }
xdotool mousemove --window "$window" 50 50 click 1
until_ 20 "a click gives the guest the mouse" called "Ringer - Ctrl-Alt lets the mouse go"
xdotool mousemove_relative 400 300 mousemove_relative 400 300 mousemove_relative 400 300
until_ 20 "the pointer is kept in the window" sh -c 'eval "$(xdotool getmouselocation --shell)"; [ $X -lt 1440 ] && [ $Y -lt 800 ]'
xdotool key ctrl+alt
until_ 20 "Ctrl-Alt takes the mouse back" called Ringer
echo "window-check: a click gives the guest the mouse, Ctrl-Alt takes it back"

# The thread that draws has a filter of its own, and no capability.
thread=$(grep -l '^display$' /proc/$run/task/*/comm | head -n 1)
status=$(cat "${thread%comm}status")
for line in 'Seccomp:	2' 'NoNewPrivs:	1' 'CapEff:	0000000000000000'; do
    echo "$status" | grep -q "^$line" || fail "the window's thread has not $line"
done
echo "window-check: its thread is confined"

xdotool windowclose "$window"
status=0
wait $run || status=$?
run=''
[ $status = 130 ] || fail "a window that is closed ends the run with status 130, not $status"
echo "window-check: closed, the window ended the run"
